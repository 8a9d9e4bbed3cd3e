import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyMergePatch } from "../../../../apiserver/apply/merge-patch.ts";
import type { Json, JsonObject } from "../../../../machinery/object.ts";

const names = fc.constantFrom("a", "b", "c", "constructor");
const documents = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  object: fc.dictionary(names, tie("value"), { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<JsonObject>,
  value: fc.oneof({ maxDepth: 4 }, fc.constantFrom<Json>(null, 1, "x", true, ["y", null]), tie("object")),
})).object;

describe("applyMergePatch", () => {
  // The cases of RFC 7396, appendix A, that start from an object.
  it.each<[JsonObject, JsonObject, JsonObject]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ a: 1 }, { a: { constructor: { x: 1 } } }, { a: { constructor: { x: 1 } } }],
  ])("%j with %j is %j", (object, patch, result) => expect(applyMergePatch(object, patch)).toEqual(result));

  it.each<Json>([[], null, "x", 1])("refuses %j", (patch) => {
    expect(() => applyMergePatch({}, patch)).toThrow("Invalid JSON Patch");
  });

  it("says the same twice", () => {
    fc.assert(
      fc.property(documents, documents, (object, patch) => {
        const once = applyMergePatch(object, patch);
        expect(applyMergePatch(once, patch)).toEqual(once);
      }),
    );
  });

  it("changes nothing with an empty patch, and neither argument ever", () => {
    fc.assert(
      fc.property(documents, documents, (object, patch) => {
        const before = JSON.stringify([object, patch]);
        expect(applyMergePatch(object, {})).toEqual(object);
        const result = applyMergePatch(object, patch);
        for (const value of Object.values(result))
          if (typeof value === "object" && value) Object.assign(value, { z: 1 });
        expect(JSON.stringify([object, patch])).toBe(before);
      }),
    );
  });
});
