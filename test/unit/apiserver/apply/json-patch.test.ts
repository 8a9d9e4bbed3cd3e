import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyJsonPatch } from "../../../../apiserver/apply/json-patch.ts";
import { ApiError } from "../../../../apiserver/status.ts";
import type { Json, JsonObject } from "../../../../machinery/object.ts";

const object = (): JsonObject => ({ spec: { size: 1, list: ["a", "b"], "a/b~c": 1 }, metadata: { name: "w" } });

describe("applyJsonPatch", () => {
  it.each<[string, Json[], JsonObject]>([
    [
      "add a member",
      [{ op: "add", path: "/spec/x", value: { y: 1 } }],
      { size: 1, list: ["a", "b"], "a/b~c": 1, x: { y: 1 } },
    ],
    [
      "add into a list",
      [{ op: "add", path: "/spec/list/1", value: "x" }],
      { size: 1, list: ["a", "x", "b"], "a/b~c": 1 },
    ],
    [
      "add to its end",
      [{ op: "add", path: "/spec/list/-", value: "x" }],
      { size: 1, list: ["a", "b", "x"], "a/b~c": 1 },
    ],
    ["remove", [{ op: "remove", path: "/spec/list/0" }], { size: 1, list: ["b"], "a/b~c": 1 }],
    ["replace", [{ op: "replace", path: "/spec/size", value: null }], { size: null, list: ["a", "b"], "a/b~c": 1 }],
    ["move", [{ op: "move", from: "/spec/size", path: "/spec/width" }], { width: 1, list: ["a", "b"], "a/b~c": 1 }],
    [
      "copy",
      [{ op: "copy", from: "/spec/list", path: "/spec/l2" }],
      { size: 1, list: ["a", "b"], "a/b~c": 1, l2: ["a", "b"] },
    ],
    ["test", [{ op: "test", path: "/spec/list", value: ["a", "b"] }], { size: 1, list: ["a", "b"], "a/b~c": 1 }],
    ["escaped names", [{ op: "replace", path: "/spec/a~1b~0c", value: 2 }], { size: 1, list: ["a", "b"], "a/b~c": 2 }],
  ])("knows how to %s", (_, patch, spec) => {
    const before = object();
    expect(applyJsonPatch(before, patch)).toEqual({ ...object(), spec });
    expect(before).toEqual(object());
  });

  it("takes what is absent as null in a test, as kube-apiserver does", () => {
    expect(applyJsonPatch(object(), [{ op: "test", path: "/spec/none", value: null }])).toEqual(object());
  });

  it("bounds how deep moves nest", () => {
    const nest = Array.from({ length: 600 }, () => [
      { op: "add", path: "/outer", value: {} },
      { op: "move", from: "/spec", path: "/outer/in" },
      { op: "move", from: "/outer", path: "/spec" },
    ]).flat();
    expect(refusal(() => applyJsonPatch(object(), nest)).message).toContain("nests values more than 512 deep");
    expect(applyJsonPatch(object(), nest.slice(0, 300))).toHaveProperty("spec.in.in.in");
  });

  it("may replace the whole object", () => {
    expect(applyJsonPatch(object(), [{ op: "replace", path: "", value: { a: 1 } }])).toEqual({ a: 1 });
  });

  it.each<[Json, number, string]>([
    [[{ op: "test", path: "/spec/size", value: 2 }], 422, "testing value /spec/size failed: test failed"],
    [
      [{ op: "remove", path: "/spec/none" }],
      422,
      "remove operation does not apply: doc is missing path: /spec/none: missing value",
    ],
    [
      [{ op: "replace", path: "/none/x", value: 1 }],
      422,
      "replace operation does not apply: doc is missing path: /none/x",
    ],
    [[{ op: "add", path: "/none/x", value: 1 }], 422, "add operation does not apply: doc is missing path: /none/x"],
    [
      [{ op: "add", path: "/spec/list/9", value: 1 }],
      422,
      "add operation does not apply: doc is missing path: /spec/list/9",
    ],
    [
      [{ op: "copy", from: "/none", path: "/x" }],
      422,
      "copy operation does not apply: doc is missing path: /x or from path: /none",
    ],
    [[{ op: "move", from: "/spec", path: "/spec/inside" }], 422, "cannot be moved into itself"],
    [[{ op: "remove", path: "" }], 422, "the object itself cannot be removed"],
    [[{ op: "replace", path: "", value: [] }], 422, "something that is no object"],
    [[{ op: "bogus", path: "/x" }], 422, "Unexpected kind: bogus"],
    [[{ op: "add", value: 1 }], 400, '"path" must be a string'],
    [[{ op: "move", path: "/x" }], 400, '"from" must be a string'],
    [[{ op: "add", path: "spec", value: 1 }], 400, 'must be empty or start with "/": "spec"'],
    [[{ op: "add", path: "/__proto__/x", value: 1 }], 400, '"__proto__" is not allowed'],
    [
      [{ op: "add", path: "/constructor/prototype/polluted", value: 1 }],
      400,
      'field name "constructor" is not allowed',
    ],
    [[{ op: "add", path: "/toString/x", value: 1 }], 422, "doc is missing path"],
    [[{ op: "remove", path: "/toString" }], 422, "doc is missing path"],
    [[{ op: "remove", path: "/spec/list/length" }], 422, "doc is missing path"],
    [[{ op: "test", path: "/spec/list/00", value: "a" }], 422, "test failed"],
    [["add"], 400, "operation 0 must be an object"],
    [{ op: "add" }, 400, "must be a list of operations"],
    [
      Array.from({ length: 10_001 }, () => ({ op: "test", path: "/spec/size", value: 1 })),
      413,
      "maximum operations in a JSON patch is 10000, got 10001",
    ],
  ])("refuses %j with %i", (patch, code, message) => {
    const error = refusal(() => applyJsonPatch(object(), patch));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("bounds what copies add", () => {
    const doubling = [...Array(40).keys()].map((i) => ({ op: "copy", from: "/spec", path: `/spec/c${i}` }));
    const big = { spec: { text: "x".repeat(1000) } };
    expect(refusal(() => applyJsonPatch(big, doubling)).message).toContain("the accumulated size increase of copy is");
  });
});

function refusal(run: () => unknown): ApiError {
  try {
    run();
  } catch (error) {
    return error as ApiError;
  }
  throw new Error("was not refused");
}

it("fails with ApiError only, whatever the patch", () => {
  const paths = fc.constantFrom(
    "",
    "/",
    "/spec",
    "/spec/size",
    "/spec/list/0",
    "/spec/list/-",
    "/spec/list/x",
    "/~",
    "/a/b",
    "x",
    "/spec/toString",
  );
  const operation = fc.record(
    {
      op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
      path: paths,
      from: paths,
      value: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.array(operation, { maxLength: 6 }), fc.jsonValue()), (patch) => {
      try {
        const result = applyJsonPatch(object(), JSON.parse(JSON.stringify(patch)));
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError);
      }
    }),
    { numRuns: 1000 },
  );
});
