import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compare } from "../../../../apiserver/apply/compare.ts";
import type { FieldSet } from "../../../../apiserver/apply/field-set.ts";
import {
  difference,
  differenceBelow,
  displayPaths,
  equalSets,
  intersection,
  isEmpty,
  union,
} from "../../../../apiserver/apply/field-set.ts";
import { decodeFields, encodeFields } from "../../../../apiserver/apply/fields-v1.ts";
import { ApiError } from "../../../../apiserver/status.ts";
import type { JsonObject, KubeObject } from "../../../../machinery/object.ts";
import type { Step } from "./widget-arbitraries.ts";
import { histories, specs } from "./widget-arbitraries.ts";
import { apply, entriesOf, managersOf, schema, update, widget } from "./widgets.ts";

/** Plays a history; a refused conflict changes nothing. */
function play(history: readonly Step[]): KubeObject {
  let live = update(undefined, "creator", widget({ free: { created: 1 } }, { uid: "u" }));
  history.forEach(({ op, manager, spec, force }, second) => {
    try {
      if (op === "apply") live = apply(live, manager, widget(spec), { force, second });
      else live = update(live, manager, { ...live, spec }, { second });
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "Conflict") throw error;
    }
  });
  return live;
}

const fieldSets: fc.Arbitrary<FieldSet> = specs.map((spec) => compare(schema, {}, { spec }).added);

describe("apply", () => {
  it("done twice changes nothing the second time, whatever went before", () => {
    fc.assert(
      fc.property(histories, specs, (history, spec) => {
        const once = apply(play(history), "x", widget(spec), { force: true, second: 40 });
        expect(JSON.stringify(apply(once, "x", widget(spec), { second: 50 }))).toBe(JSON.stringify(once));
      }),
      { numRuns: 120 },
    );
  });

  it("by two managers of different fields never conflicts and gives both their wishes", () => {
    fc.assert(
      fc.property(specs, fc.func(fc.boolean()), (spec, isFirst) => {
        const part = (first: boolean) =>
          Object.fromEntries(Object.entries(spec).filter(([key]) => isFirst(key) === first));
        const both = apply(apply(undefined, "a", widget(part(true))), "b", widget(part(false)));
        expect(both.spec).toEqual(spec);
        const changed = apply(both, "a", widget({}));
        expect(changed.spec).toEqual(part(false));
      }),
    );
  });

  it("holds all that was applied by force, and owns it", () => {
    fc.assert(
      fc.property(histories, specs, (history, spec) => {
        const live = apply(play(history), "x", widget(spec), { force: true });
        const { modified, added } = compare(schema, { spec: live.spec as JsonObject }, { spec });
        expect([displayPaths(modified), displayPaths(added)]).toEqual([[], []]);
      }),
      { numRuns: 120 },
    );
  });

  it("leaves nobody owning what is not there", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const live = play(history);
        const present = compare(schema, { spec: {} }, { spec: live.spec as JsonObject }).added;
        for (const { manager, fieldsV1 } of entriesOf(live)) {
          const owned = decodeFields(fieldsV1);
          const leaves = displayPaths(difference(owned!, present)).filter(
            (path) => path !== ".spec" && !path.startsWith(".spec.free"),
          );
          expect([manager, leaves]).toEqual([manager, []]);
        }
      }),
      { numRuns: 120 },
    );
  });

  it("keeps one entry for each writer, in order", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const entries = entriesOf(play(history));
        const names = entries.map(({ operation, manager }) => `${operation} ${manager}`);
        expect(new Set(names).size).toBe(names.length);
        const order = entries.map(({ operation, time, manager }) => `${operation} ${time} ${manager}`);
        expect(order).toEqual([...order].sort());
      }),
    );
  });
});

it("an applier that lets go of everything leaves the object as the others wrote it", () => {
  fc.assert(
    fc.property(specs, specs, (theirs, mine) => {
      const before = update(undefined, "creator", widget({ free: { keep: 1 }, ...theirs }, { uid: "u" }));
      const both = attempt(() => apply(before, "me", widget(mine)));
      if (both === undefined) return;
      const after = apply(both, "me", widget(undefined));
      expect(managersOf(after)).toEqual(["creator"]);
      expect(entriesOf(after)[0]?.fieldsV1).toEqual(entriesOf(before)[0]?.fieldsV1);
    }),
    { numRuns: 120 },
  );
});

function attempt(run: () => KubeObject): KubeObject | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof ApiError && error.reason === "Conflict") return undefined;
    throw error;
  }
}

describe("field sets", () => {
  it("survive FieldsV1", () => {
    fc.assert(
      fc.property(fieldSets, (set) => {
        const read = decodeFields(JSON.parse(JSON.stringify(encodeFields(set))));
        expect(read !== undefined && equalSets(read, set)).toBe(true);
      }),
    );
  });

  it("obey the laws of sets", () => {
    fc.assert(
      fc.property(fieldSets, fieldSets, (a, b) => {
        expect(equalSets(union(a, b), union(b, a))).toBe(true);
        expect(equalSets(intersection(a, b), intersection(b, a))).toBe(true);
        expect(equalSets(union(difference(a, b), intersection(a, b)), a)).toBe(true);
        expect(isEmpty(intersection(difference(a, b), b))).toBe(true);
        expect(isEmpty(difference(a, union(a, b)))).toBe(true);
        expect(isEmpty(difference(differenceBelow(a, b), difference(a, b)))).toBe(true);
        expect(new Set(displayPaths(union(a, b)))).toEqual(new Set([...displayPaths(a), ...displayPaths(b)]));
      }),
    );
  });

  it("are read from anything that clients send without failing", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const set = decodeFields(value as JsonObject);
        expect(set === undefined || displayPaths(set).every((path) => path.length > 0)).toBe(true);
      }),
    );
  });
});

describe("comparing", () => {
  it("finds nothing between equals and everything both ways", () => {
    fc.assert(
      fc.property(specs, specs, (a, b) => {
        const there = compare(schema, { spec: a }, { spec: b });
        const back = compare(schema, { spec: b }, { spec: a });
        expect(encodeFields(there.added)).toEqual(encodeFields(back.removed));
        expect(encodeFields(there.modified)).toEqual(encodeFields(back.modified));
        const same = compare(schema, { spec: a }, JSON.parse(JSON.stringify({ spec: a })));
        expect(isEmpty(union(same.added, union(same.modified, same.removed)))).toBe(true);
      }),
    );
  });
});
