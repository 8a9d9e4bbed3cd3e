import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const widget = (x: unknown): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "w1" },
  spec: { x },
});

function errorsFor(x: SchemaNode, value: unknown, old: unknown): string[] {
  const schema: SchemaNode = { type: "object", properties: { spec: { type: "object", properties: { x } } } };
  const errors = compileSchema(schema).validate(widget(value), widget(old));
  return errors.map((e) => `${e.field}: ${e.message}`);
}

const NAMED_LIST: SchemaNode = {
  type: "array",
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["name"],
  items: { type: "object", properties: { name: { type: "string" }, size: { type: "integer", maximum: 5 } } },
};

it.each<[string, SchemaNode, unknown, unknown, number]>([
  ["an unchanged wrong value passes", { type: "integer", maximum: 5 }, 9, 9, 0],
  ["a changed wrong value fails", { type: "integer", maximum: 5 }, 8, 9, 1],
  [
    "a new wrong value fails",
    { type: "object", properties: { a: { type: "integer", maximum: 5 }, b: { type: "string" } } },
    { a: 9, b: "y" },
    { b: "x" },
    1,
  ],
  [
    "a wrong value beside a change passes",
    { type: "object", properties: { a: { type: "integer", maximum: 5 }, b: { type: "string" } } },
    { a: 9, b: "y" },
    { a: 9, b: "x" },
    0,
  ],
  [
    "items of a map list correlate by key",
    NAMED_LIST,
    [
      { name: "b", size: 9 },
      { name: "a", size: 9 },
    ],
    [{ name: "a", size: 9 }],
    1,
  ],
  [
    "items of a plain list correlate by index",
    { type: "array", items: { type: "integer", maximum: 5 } },
    [9, 1],
    [9, 2],
    0,
  ],
  [
    "items of a set do not correlate",
    { type: "array", "x-kubernetes-list-type": "set", items: { type: "integer", maximum: 5 } },
    [9, 1],
    [9, 2],
    1,
  ],
  [
    "a missing field that was missing before, beside a change",
    { type: "object", required: ["a"], properties: { a: {}, b: { type: "string" } } },
    { b: "y" },
    { b: "x" },
    1,
  ],
  [
    "a missing field where nothing changed",
    { type: "object", required: ["a"], properties: { a: {} } },
    { b: "x" },
    { b: "x" },
    0,
  ],
  [
    "duplicates that were there before",
    { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
    ["a", "a", "b"],
    ["a", "a"],
    0,
  ],
  [
    "duplicates that are new",
    { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
    ["a", "a", "b"],
    ["a"],
    1,
  ],
])("ratchets: %s", (_name, schema, value, old, count) => {
  expect(errorsFor(schema, value, old)).toHaveLength(count);
});

it("finds the one new error behind a thousand old ones, in linear time", () => {
  const list: SchemaNode = {
    type: "array",
    items: { type: "object", properties: { a: { type: "integer", maximum: 5 } } },
  };
  const old = Array.from({ length: 20_000 }, () => ({ a: 9 }));
  const value = [...old, { a: 8 }];
  const before = process.cpuUsage();
  expect(errorsFor(list, value, old)).toEqual([
    "spec.x[20000].a: Invalid value: 8: spec.x[20000].a in body should be less than or equal to 5",
  ]);
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(2000);
});
