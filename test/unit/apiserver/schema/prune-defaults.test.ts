import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const KEEP = "x-kubernetes-preserve-unknown-fields";
const root = (spec: SchemaNode): SchemaNode => ({ type: "object", properties: { spec } });
const widget = (spec: unknown, metadata: unknown = { name: "w1" }): KubeObject =>
  ({ apiVersion: "example.com/v1", kind: "Widget", metadata, spec }) as KubeObject;

function pruned(schema: SchemaNode, spec: unknown): { spec: unknown; dropped: readonly string[] } {
  const object = widget(structuredClone(spec));
  const dropped = compileSchema(root(schema)).prune(object);
  return { spec: object["spec"], dropped };
}

const STRING: SchemaNode = { type: "string" };

it.each<[string, SchemaNode, unknown, unknown, string[]]>([
  ["unknown fields", { type: "object", properties: { a: STRING } }, { a: "1", b: { c: 1 } }, { a: "1" }, ["spec.b"]],
  [
    "inside lists",
    { type: "object", properties: { l: { type: "array", items: { type: "object", properties: { a: STRING } } } } },
    { l: [{ a: "" }, { b: 1 }] },
    { l: [{ a: "" }, {}] },
    ["spec.l[1].b"],
  ],
  [
    "inside maps",
    { type: "object", additionalProperties: { type: "object", properties: { a: STRING } } },
    { k: { a: "", b: 1 } },
    { k: { a: "" } },
    ["spec.k.b"],
  ],
  ["objects where the schema says object and no more", { type: "object" }, { a: 1 }, {}, ["spec.a"]],
  [
    "nothing where unknown fields are preserved",
    { type: "object", [KEEP]: true },
    { a: { b: [1] } },
    { a: { b: [1] } },
    [],
  ],
  [
    "named children of a preserving node",
    { type: "object", [KEEP]: true, properties: { a: { type: "object", properties: { x: STRING } } } },
    { a: { x: "", y: 1 }, z: { q: 1 } },
    { a: { x: "" }, z: { q: 1 } },
    ["spec.a.y"],
  ],
  [
    "nothing in items of a preserving list",
    { type: "array", [KEEP]: true, items: { type: "object", properties: { a: STRING } } },
    [{ a: "", b: 1 }],
    [{ a: "", b: 1 }],
    [],
  ],
  [
    "metadata of embedded resources",
    { type: "object", "x-kubernetes-embedded-resource": true, properties: { data: STRING } },
    { apiVersion: "v1", kind: "X", metadata: { name: "a", bogus: 1 }, data: "", more: 1 },
    { apiVersion: "v1", kind: "X", metadata: { name: "a" }, data: "" },
    ["spec.metadata.bogus", "spec.more"],
  ],
  [
    "keys that live on prototypes",
    { type: "object", properties: { a: STRING } },
    JSON.parse('{"constructor":{"x":1},"__proto__":{"polluted":1},"toString":1}'),
    {},
    ["spec.__proto__", "spec.constructor", "spec.toString"],
  ],
])("prunes %s", (_name, schema, spec, expected, dropped) => {
  const result = pruned(schema, spec);
  expect(result.spec).toEqual(expected);
  expect(result.dropped).toEqual(dropped);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

it("reports unknown fields of the object's own metadata and drops nulls", () => {
  const object = widget(
    {},
    { name: "a", foo: 1, creationTimestamp: null, ownerReferences: [{ uid: "u", bogus: 1 }], labels: { any: "x" } },
  );
  expect(compileSchema(root({ type: "object" })).prune(object)).toEqual([
    "metadata.foo",
    "metadata.ownerReferences[0].bogus",
  ]);
  expect(object.metadata).toEqual({ name: "a", ownerReferences: [{ uid: "u" }], labels: { any: "x" } });
});

it("keeps a status that the schema does not name away", () => {
  const object = { ...widget({}), status: { a: 1 } } as KubeObject;
  expect(compileSchema(root({ type: "object" })).prune(object)).toEqual(["status"]);
});

function defaulted(schema: SchemaNode, spec: unknown): unknown {
  const object = widget(structuredClone(spec));
  compileSchema(root(schema)).applyDefaults(object);
  return object["spec"];
}

const props = (properties: Record<string, SchemaNode>, more: SchemaNode = {}): SchemaNode => ({
  type: "object",
  properties,
  ...more,
});

it.each<[string, SchemaNode, unknown, unknown]>([
  ["what is missing", props({ a: { type: "string", default: "x" } }), {}, { a: "x" }],
  ["not what is there", props({ a: { type: "string", default: "x" } }), { a: "" }, { a: "" }],
  ["not into missing parents", props({ p: props({ a: { type: "string", default: "x" } }) }), {}, {}],
  [
    "into defaulted parents",
    props({ p: props({ a: { type: "string", default: "x" } }, { default: {} }) }),
    {},
    { p: { a: "x" } },
  ],
  [
    "inside lists and maps",
    props({
      l: { type: "array", items: props({ a: { type: "integer", default: 1 } }) },
      m: { type: "object", additionalProperties: props({ a: { type: "integer", default: 2 } }) },
    }),
    { l: [{}], m: { k: {} } },
    { l: [{ a: 1 }], m: { k: { a: 2 } } },
  ],
  ["an int-or-string", props({ p: { "x-kubernetes-int-or-string": true, default: "50%" } }), {}, { p: "50%" }],
  ["null that is not nullable", props({ a: { type: "string", default: "x" } }), { a: null }, { a: "x" }],
  [
    "not null that is nullable",
    props({ a: { type: "string", nullable: true, default: "x" } }),
    { a: null },
    { a: null },
  ],
  ["drops null without default", props({ a: { type: "string" } }), { a: null }, {}],
  [
    "drops null in maps",
    props({ m: { type: "object", additionalProperties: { type: "string" } } }),
    { m: { k: null } },
    { m: {} },
  ],
  [
    "null items from the items' default",
    props({ l: { type: "array", items: { type: "integer", default: 7 } } }),
    { l: [null, 1] },
    { l: [7, 1] },
  ],
  [
    "leaves null items without default to validation",
    props({ l: { type: "array", items: { type: "integer" } } }),
    { l: [null] },
    { l: [null] },
  ],
  ["keeps null where unknown fields are preserved", { type: "object", [KEEP]: true }, { a: null }, { a: null }],
  [
    "false and zero",
    props({ a: { type: "boolean", default: false }, b: { type: "integer", default: 0 } }),
    {},
    { a: false, b: 0 },
  ],
  [
    "properties that every object inherits",
    props({ toString: { type: "string", default: "x" } }),
    {},
    { toString: "x" },
  ],
  [
    "a property named __proto__ as own property",
    props(JSON.parse('{"__proto__":{"type":"string","default":"x"}}')),
    {},
    JSON.parse('{"__proto__":"x"}'),
  ],
])("defaults %s", (_name, schema, spec, expected) => {
  expect(defaulted(schema, spec)).toEqual(expected);
});

it("gives every object its own copy of a default", () => {
  const compiled = compileSchema(root(props({ a: { type: "array", items: STRING, default: ["x"] } })));
  const [one, two] = [widget({}), widget({})];
  compiled.applyDefaults(one);
  (one["spec"] as { a: string[] }).a.push("y");
  compiled.applyDefaults(two);
  expect(two["spec"]).toEqual({ a: ["x"] });
});
