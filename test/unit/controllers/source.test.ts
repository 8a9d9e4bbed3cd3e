import { expect, it, test } from "vitest";
import type { Change } from "../../../client/store.ts";
import { objectMaker } from "../../../controllers/object-maker.ts";
import { changesOf, changesOfParts, later, wanted } from "../../../controllers/source.ts";
import { VOLUMES, type Volume } from "../../../crds/generated/volume.ts";

const volume = (over: { generation?: number; size?: string; hostName?: string; capacity?: string; rv?: string } = {}) =>
  ({
    apiVersion: "ferrite.dev/v1alpha1",
    kind: "Volume",
    metadata: {
      name: "data",
      namespace: "default",
      uid: "u1",
      generation: over.generation ?? 1,
      resourceVersion: over.rv ?? "1",
    },
    spec: { volumeGroupRef: { name: "vg" }, size: over.size ?? "1Gi", thin: false },
    status: { hostName: over.hostName ?? "alpha", capacity: over.capacity ?? "1Gi" },
  }) as unknown as Volume;

/** Which of the changes wake a controller that cares for its object and for `status.hostName`. */
function woken(change: unknown): readonly string[] {
  const asked: string[] = [];
  let tell: (change: Change<Volume>) => void = () => {};
  const reflectors = { reflector: () => ({ onChange: (listener: typeof tell) => (tell = listener) }) };
  const source = changesOf(VOLUMES, (object) => [wanted(object), object.status?.hostName]);
  source(reflectors as never, ({ name }) => asked.push(name));
  tell(change as Change<Volume>);
  return asked;
}

test.each([
  { name: "is new", change: { kind: "added", object: volume() }, wakes: true },
  { name: "is gone", change: { kind: "deleted", object: volume() }, wakes: true },
  {
    name: "has another spec",
    change: { kind: "updated", old: volume(), object: volume({ size: "2Gi", generation: 2, rv: "2" }) },
    wakes: true,
  },
  {
    name: "was bound elsewhere",
    change: { kind: "updated", old: volume(), object: volume({ hostName: "beta", rv: "2" }) },
    wakes: true,
  },
  {
    name: "only carries the controller's own report",
    change: { kind: "updated", old: volume(), object: volume({ capacity: "2Gi", rv: "2" }) },
    wakes: false,
  },
])("an object that $name: wakes $wakes", ({ change, wakes }) => {
  expect(woken(change).length > 0).toBe(wakes);
});

/** Of an object with two parts, which are woken by a change from one list of parts to another. */
function wokenParts(change: unknown): readonly string[] {
  const asked: string[] = [];
  let tell: (change: unknown) => void = () => {};
  const reflectors = { reflector: () => ({ onChange: (listener: typeof tell) => (tell = listener) }) };
  const source = changesOfParts(VOLUMES, (object) =>
    Object.entries(object as unknown as Record<string, number>).map(([name, state]) => ({
      state: [name, state],
      requests: [{ namespace: "", name }],
    })),
  );
  source(reflectors as never, ({ name }) => asked.push(name));
  tell(change);
  return asked;
}

test.each([
  { change: { kind: "added", object: { a: 1, b: 1 } }, wakes: ["a", "b"] },
  { change: { kind: "updated", old: { a: 1, b: 1 }, object: { a: 1, b: 2 } }, wakes: ["b", "b"] },
  { change: { kind: "updated", old: { a: 1, b: 1 }, object: { a: 1, b: 1, c: 1 } }, wakes: ["c"] },
  { change: { kind: "updated", old: { a: 1, b: 1 }, object: { b: 1 } }, wakes: ["a"] },
  { change: { kind: "deleted", object: { a: 1 } }, wakes: ["a"] },
])("parts: $change wakes $wakes", ({ change, wakes }) => {
  expect(wokenParts(change)).toEqual(wakes);
});

it("passes on that a change is not urgent", () => {
  const asked: unknown[] = [];
  const source = later(500, (_, enqueue) => enqueue({ namespace: "", name: "a" }));
  source({} as never, ({ name }, afterMs) => asked.push([name, afterMs]));
  expect(asked).toEqual([["a", 500]]);
});

const made = { metadata: { name: "data", namespace: "default" }, spec: volume().spec };

/** How many applies it takes to bring what the cache has to what is made. */
async function applies(current: unknown): Promise<number> {
  let count = 0;
  const maker = objectMaker<Volume>({
    type: VOLUMES,
    cache: { get: () => current, list: () => [] } as never,
    client: { apply: async () => void count++ as never } as never,
    fieldManager: "me",
  });
  await maker.apply(made as never);
  return count;
}

const managed = (fields: object, manager = "me") => ({
  ...volume(),
  metadata: { ...volume().metadata, managedFields: [{ manager, operation: "Apply", fieldsV1: { "f:spec": fields } }] },
});
const OWN = { "f:size": {}, "f:volumeGroupRef": {}, "f:thin": {} };

it("applies nothing that is there already", async () => {
  expect(await applies(managed(OWN))).toBe(0);
});

test.each([
  { name: "is not there", current: undefined },
  { name: "was made by somebody else", current: managed(OWN, "kubectl") },
  { name: "has another value", current: { ...managed(OWN), spec: { ...volume().spec, size: "2Gi" } } },
  { name: "has a field of ours that is not wanted any more", current: managed({ ...OWN, "f:fileSystem": {} }) },
])("applies what $name", async ({ current }) => {
  expect(await applies(current)).toBe(1);
});
