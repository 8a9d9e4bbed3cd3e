import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyStrategicMergePatch } from "../../../../apiserver/apply/strategic-merge-patch.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import { ApiError } from "../../../../apiserver/status.ts";
import type { Json, JsonObject } from "../../../../machinery/object.ts";

const named: SchemaNode = { type: "object", properties: { name: { type: "string" } } };
const schema: SchemaNode = {
  type: "object",
  properties: {
    data: { type: "object", additionalProperties: { type: "string" } },
    items: {
      type: "array",
      items: named,
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-patch-merge-key": "name",
    },
    ports: {
      type: "array",
      items: { type: "object" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["port", "protocol"],
    },
    words: { type: "array", items: { type: "string" }, "x-kubernetes-patch-strategy": "merge" },
    rules: { type: "array", items: named },
    volume: { type: "object", "x-kubernetes-patch-strategy": "retainKeys", properties: {} },
    whole: { type: "object", "x-kubernetes-patch-strategy": "replace" },
  },
};
const patched = (object: JsonObject, patch: Json) => applyStrategicMergePatch(object, patch, schema);
const list = (...names: string[]) => names.map((name) => ({ name }));

/** Changes everything in a value that can be changed in place. */
function scramble(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const item of Object.values(value)) scramble(item);
  Object.assign(value, { scrambled: true });
}

describe("applyStrategicMergePatch", () => {
  it.each<[string, JsonObject, JsonObject, JsonObject]>([
    [
      "merges maps, null removes",
      { data: { a: "1", b: "2" } },
      { data: { b: null, c: "3" } },
      { data: { a: "1", c: "3" } },
    ],
    [
      "merges lists by merge key",
      { items: [{ name: "a", x: 1 }, { name: "b" }] },
      { items: [{ name: "c" }, { name: "a", y: 2 }] },
      { items: [{ name: "a", x: 1, y: 2 }, { name: "b" }, { name: "c" }] },
    ],
    [
      "merges lists by several map keys",
      { ports: [{ port: 1, protocol: "TCP", x: 1 }] },
      {
        ports: [
          { port: 1, protocol: "UDP" },
          { port: 1, protocol: "TCP", x: 2 },
        ],
      },
      {
        ports: [
          { port: 1, protocol: "TCP", x: 2 },
          { port: 1, protocol: "UDP" },
        ],
      },
    ],
    ["replaces other lists", { rules: list("a") }, { rules: list("b") }, { rules: list("b") }],
    ["adds to lists of scalars", { words: ["a", "b"] }, { words: ["b", "c"] }, { words: ["a", "b", "c"] }],
    ["deletes from them", { words: ["a", "b"] }, { "$deleteFromPrimitiveList/words": ["a", "x"] }, { words: ["b"] }],
    [
      "deletes items",
      { items: [{ name: "a", x: 1 }, { name: "b" }] },
      { items: [{ $patch: "delete", name: "a" }] },
      { items: list("b") },
    ],
    [
      "replaces a list on demand",
      { items: list("a", "b") },
      { items: [{ $patch: "replace" }, ...list("c")] },
      { items: list("c") },
    ],
    ["empties a list on demand", { items: list("a") }, { items: [{ $patch: "replace" }] }, { items: [] }],
    ["replaces a map on demand", { data: { a: "1" } }, { data: { $patch: "replace", b: "2" } }, { data: { b: "2" } }],
    ["deletes a map on demand", { data: { a: "1" }, words: [] }, { data: { $patch: "delete" } }, { words: [] }],
    ["replaces maps whose strategy says so", { whole: { a: 1 } }, { whole: { b: 2 } }, { whole: { b: 2 } }],
    [
      "retains only the listed keys",
      { volume: { name: "v", emptyDir: {}, x: 1 } },
      { volume: { $retainKeys: ["name", "hostPath"], hostPath: { path: "/" } } },
      { volume: { name: "v", hostPath: { path: "/" } } },
    ],
    [
      "orders items as told",
      { items: list("a", "b", "c") },
      { "$setElementOrder/items": list("c", "a", "b") },
      { items: list("c", "a", "b") },
    ],
    [
      "keeps the place of items that only the server has",
      { items: list("a", "server", "b") },
      { "$setElementOrder/items": list("n", "a", "b"), items: list("n") },
      { items: list("server", "n", "a", "b") },
    ],
    [
      "orders scalars too",
      { words: ["a", "b"] },
      { "$setElementOrder/words": ["c", "b", "a"], words: ["c"] },
      { words: ["c", "b", "a"] },
    ],
    [
      "drops directives in what is new",
      {},
      { items: [{ name: "a", x: null }], data: { a: null, b: "1" } },
      { items: list("a"), data: { b: "1" } },
    ],
    [
      "merges labels, finalizers and owners of every kind",
      { metadata: { labels: { a: "1" }, finalizers: ["x"], ownerReferences: [{ uid: "1", name: "old" }] } },
      {
        metadata: {
          labels: { b: "2" },
          finalizers: ["y"],
          ownerReferences: [{ uid: "2" }, { $patch: "delete", uid: "1" }],
        },
      },
      { metadata: { labels: { a: "1", b: "2" }, finalizers: ["x", "y"], ownerReferences: [{ uid: "2" }] } },
    ],
  ])("%s", (_, object, patch, result) => {
    const before = JSON.stringify([object, patch]);
    const outcome = patched(object, patch);
    expect(outcome).toEqual(result);
    scramble(outcome);
    expect(JSON.stringify([object, patch])).toBe(before);
  });

  it.each<[Json, string]>([
    [[], "invalid JSON document"],
    [{ data: { $patch: "bogus" } }, 'data: Unknown patch type found: "bogus"'],
    [{ items: [{ x: 1 }] }, 'items: map: {"x":1} does not contain declared merge key: name'],
    [{ items: ["a"] }, "items: a list of objects cannot be merged with"],
    [{ words: [{}] }, "words: invalid patch format of primitive list"],
    [{ "$deleteFromPrimitiveList/words": "a" }, "invalid patch format of primitive list"],
    [{ "$setElementOrder/items": {} }, "invalid patch format of setElementOrder list"],
    [{ volume: { $retainKeys: "x" } }, "invalid patch format of retainKeys"],
    [{ volume: { $retainKeys: ["a"], b: 1 } }, 'retainKeys: it does not list "b"'],
  ])("refuses %j", (patch, message) => {
    expect(() => patched({}, patch)).toThrow(message);
    expect(() => patched({}, patch)).toThrow(ApiError);
  });

  it("fails with ApiError only, whatever the patch", () => {
    const names = fc.constantFrom(
      "items",
      "words",
      "data",
      "volume",
      "name",
      "metadata",
      "finalizers",
      "$patch",
      "$retainKeys",
      "$setElementOrder/items",
      "$deleteFromPrimitiveList/words",
    );
    const { value } = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<Json>(null, 1, "delete", "replace", "a"),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(names, tie("value"), { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<JsonObject>,
      ),
    }));
    const objects = fc.constant<JsonObject>({
      items: list("a", "b"),
      words: ["a"],
      data: { a: "1" },
      volume: { name: "v" },
    });
    fc.assert(
      fc.property(objects, value, (object, patch) => {
        try {
          patched(object, patch);
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
