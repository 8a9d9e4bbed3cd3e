import * as fc from "fast-check";
import type { Json, JsonObject } from "../../../../machinery/object.ts";

const letters = fc.constantFrom("a", "b", "c", "d");
const small = fc.integer({ min: 0, max: 2 });
const map = (values: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> =>
  fc.dictionary(letters, values, { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<JsonObject>;

const free = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, small, letters, fc.array(small, { maxLength: 2 }), map(tie("value"))),
})).value;

/** Members of which any may be absent. */
const partly = (members: Record<string, fc.Arbitrary<Json>>): fc.Arbitrary<JsonObject> =>
  fc.record(members, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<JsonObject>;

const disk = fc
  .tuple(letters, partly({ size: small, mode: letters, options: map(letters) }))
  .map(([name, rest]): JsonObject => ({ name, ...rest }));
const port = fc
  .tuple(small, partly({ protocol: fc.constantFrom("TCP", "UDP"), name: letters }))
  .map(([number, rest]): JsonObject => ({ port: number, ...rest }));

const uniqueBy = (items: fc.Arbitrary<JsonObject>, key: (item: JsonObject) => string) =>
  fc.uniqueArray(items, { maxLength: 4, selector: key });

/** A spec of a widget (widgets.ts) that breaks no rule of its lists. */
export const specs: fc.Arbitrary<JsonObject> = partly({
  size: small,
  name: letters,
  port: fc.oneof(small, letters),
  args: fc.array(letters, { maxLength: 2 }),
  zones: fc.uniqueArray(letters, { maxLength: 4 }),
  disks: uniqueBy(disk, ({ name }) => JSON.stringify(name)),
  ports: uniqueBy(port, ({ port: number, protocol = "TCP" }) => JSON.stringify([number, protocol])),
  selector: map(letters),
  tags: map(letters),
  free: map(free),
});

export interface Step {
  readonly op: "apply" | "update";
  readonly manager: string;
  readonly spec: JsonObject;
  readonly force: boolean;
}

/** Writes by a few managers, one after the other. */
export const histories: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    op: fc.constantFrom("apply" as const, "apply" as const, "update" as const),
    manager: fc.constantFrom("x", "y", "z"),
    spec: specs,
    force: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);
