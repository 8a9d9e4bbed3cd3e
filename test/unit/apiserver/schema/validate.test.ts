import { expect, it } from "vitest";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const widget = (spec: unknown): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "w1" },
  spec,
});

const schemaOf = (spec: SchemaNode, more: SchemaNode = {}): SchemaNode => ({
  type: "object",
  properties: { spec },
  ...more,
});

/** `field: message` of every error for one value of `spec.x`. */
function errorsFor(x: SchemaNode, value: unknown): string[] {
  const compiled = compileSchema(schemaOf({ type: "object", properties: { x } }));
  const errors = compiled.validate(widget({ x: value }));
  return errors.map((e) => `${e.field}: ${e.message}`);
}

const INT_OR_STRING: SchemaNode = { "x-kubernetes-int-or-string": true };

it.each<[string, SchemaNode, unknown, string[]]>([
  [
    "integer from string",
    { type: "integer" },
    "string",
    ['spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"'],
  ],
  [
    "string from integer",
    { type: "string" },
    5,
    ['spec.x: Invalid value: "integer": spec.x in body must be of type string: "integer"'],
  ],
  [
    "integer from fraction",
    { type: "integer" },
    1.5,
    ['spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"'],
  ],
  [
    "object from array",
    { type: "object" },
    [],
    ['spec.x: Invalid value: "array": spec.x in body must be of type object: "array"'],
  ],
  ["null", { type: "string" }, null, ['spec.x: Invalid value: "null": spec.x in body must be of type string: "null"']],
  ["nullable null", { type: "string", nullable: true, minLength: 1 }, null, []],
  ["number takes integers", { type: "number" }, 5, []],
  ["enum", { type: "string", enum: ["a", "b"] }, "x", ['spec.x: Unsupported value: "x": supported values: "a", "b"']],
  [
    "enum of integers",
    { type: "integer", enum: [1, 2] },
    3,
    ['spec.x: Unsupported value: 3: supported values: "1", "2"'],
  ],
  [
    "pattern",
    { type: "string", pattern: "^[a-z]+$" },
    "A",
    ["spec.x: Invalid value: \"A\": spec.x in body should match '^[a-z]+$'"],
  ],
  [
    "maximum",
    { type: "integer", maximum: 10 },
    11,
    ["spec.x: Invalid value: 11: spec.x in body should be less than or equal to 10"],
  ],
  [
    "exclusive maximum",
    { type: "integer", maximum: 10, exclusiveMaximum: true },
    10,
    ["spec.x: Invalid value: 10: spec.x in body should be less than 10"],
  ],
  [
    "minimum",
    { type: "number", minimum: 0.5 },
    0.25,
    ["spec.x: Invalid value: 0.25: spec.x in body should be greater than or equal to 0.5"],
  ],
  [
    "exclusive minimum",
    { type: "integer", minimum: 1, exclusiveMinimum: true },
    1,
    ["spec.x: Invalid value: 1: spec.x in body should be greater than 1"],
  ],
  [
    "multipleOf",
    { type: "integer", multipleOf: 512 },
    1000,
    ["spec.x: Invalid value: 1000: spec.x in body should be a multiple of 512"],
  ],
  ["multipleOf a fraction", { type: "number", multipleOf: 0.1 }, 0.3, []],
  ["maxLength", { type: "string", maxLength: 2 }, "abc", ["spec.x: Too long: may not be more than 2 bytes"]],
  ["maxLength counts code points", { type: "string", maxLength: 2 }, "😀😀", []],
  [
    "minLength",
    { type: "string", minLength: 1 },
    "",
    ['spec.x: Invalid value: "": spec.x in body should be at least 1 chars long'],
  ],
  [
    "maxItems",
    { type: "array", maxItems: 2, items: { type: "integer" } },
    [1, 2, 3],
    ["spec.x: Too many: 3: must have at most 2 items"],
  ],
  [
    "minItems",
    { type: "array", minItems: 2, items: { type: "integer" } },
    [1],
    ["spec.x: Invalid value: 1: spec.x in body should have at least 2 items"],
  ],
  [
    "maxProperties",
    { type: "object", maxProperties: 1, additionalProperties: { type: "string" } },
    { a: "", b: "" },
    ["spec.x: Too many: 2: must have at most 1 item"],
  ],
  [
    "minProperties",
    { type: "object", minProperties: 1 },
    {},
    ["spec.x: Invalid value: 0: spec.x in body should have at least 1 properties"],
  ],
  [
    "item",
    { type: "array", items: { type: "integer" } },
    [1, "a"],
    ['spec.x[1]: Invalid value: "string": spec.x[1] in body must be of type integer: "string"'],
  ],
  [
    "map entry",
    { type: "object", additionalProperties: { type: "integer" } },
    { "a/b": "" },
    ['spec.x.a/b: Invalid value: "string": spec.x.a/b in body must be of type integer: "string"'],
  ],
  ["required", { type: "object", required: ["a"] }, {}, ["spec.x.a: Required value"]],
  [
    "required by an inherited name",
    { type: "object", required: ["constructor"] },
    {},
    ["spec.x.constructor: Required value"],
  ],
  [
    "format",
    { type: "string", format: "date" },
    "2024-02-30",
    ['spec.x: Invalid value: "2024-02-30": spec.x in body must be of type date: "2024-02-30"'],
  ],
  ["unknown format", { type: "string", format: "quantum" }, "x", []],
  ["int32 is no limit upstream", { type: "integer", format: "int32" }, 3_000_000_000, []],
  [
    "integers that lost precision",
    { type: "integer", format: "int64" },
    2 ** 60,
    [
      "spec.x: Invalid value: 1152921504606846976: spec.x in body should be between -9007199254740991 and 9007199254740991, beyond which integers lose precision",
    ],
  ],
  [
    "int-or-string with a boolean",
    INT_OR_STRING,
    true,
    ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'],
  ],
  ["int-or-string with either", INT_OR_STRING, "50%", []],
  [
    "anyOf",
    { type: "integer", anyOf: [{ minimum: 10, multipleOf: 2 }, { maximum: 2 }] },
    5,
    [
      '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
      "spec.x: Invalid value: 5: spec.x in body should be less than or equal to 2",
    ],
  ],
  [
    "oneOf, none",
    { type: "object", properties: { a: { type: "string" } }, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
    {},
    [
      '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid',
      "spec.x.a: Required value",
    ],
  ],
  [
    "oneOf, two",
    { type: "integer", oneOf: [{ minimum: 1 }, { minimum: 2 }] },
    3,
    ['<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
  ],
  [
    "allOf",
    { type: "integer", allOf: [{ minimum: 1 }, { maximum: 5 }] },
    9,
    [
      "spec.x: Invalid value: 9: spec.x in body should be less than or equal to 5",
      '<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf)',
    ],
  ],
  [
    "not",
    { type: "integer", not: { minimum: 5 } },
    9,
    ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'],
  ],
  [
    "nested junctors keep their paths",
    {
      type: "object",
      properties: { a: { type: "array", items: { type: "integer" } } },
      anyOf: [{ properties: { a: { items: { allOf: [{ minimum: 3 }] } } } }],
    },
    { a: [5, 1] },
    [
      '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
      "spec.x.a[1]: Invalid value: 1: spec.x.a[1] in body should be greater than or equal to 3",
      '<nil>: Invalid value: "": "spec.x.a[1]" must validate all the schemas (allOf). None validated',
    ],
  ],
  [
    "set",
    { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
    ["a", "b", "a", "a"],
    ['spec.x[2]: Duplicate value: "a"'],
  ],
  [
    "map by one key",
    {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      items: { type: "object", properties: { name: { type: "string" } } },
    },
    [{ name: "a" }, { name: "a" }],
    ['spec.x[1]: Duplicate value: {"name":"a"}'],
  ],
  [
    "map by two keys",
    {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["port", "proto"],
      items: { type: "object" },
    },
    [
      { port: 1, proto: "a" },
      { port: 1, proto: "b" },
      { proto: "a", port: 1, x: 1 },
    ],
    ['spec.x[2]: Duplicate value: {"port":1,"proto":"a"}'],
  ],
  [
    "embedded resource",
    { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
    { apiVersion: "a/b/c", metadata: { name: "a/b" } },
    [
      'spec.x.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      "spec.x.kind: Required value",
      "spec.x.metadata.name: Invalid value: \"a/b\": may not contain '/'",
    ],
  ],
  [
    "embedded metadata of a wrong type",
    { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
    { apiVersion: "v1", kind: "Pod", metadata: { name: 5 } },
    [
      "spec.x.metadata.name: Invalid value: 5: json: cannot unmarshal number into Go struct field spec.x.metadata.name of type string",
    ],
  ],
])("validates: %s", (_name, schema, value, expected) => {
  expect(errorsFor(schema, value)).toEqual(expected);
});

it("reports what a kube-apiserver calls the reason of each error", () => {
  const compiled = compileSchema(
    schemaOf({
      type: "object",
      required: ["missing"],
      properties: {
        a: { type: "integer" },
        b: { type: "string", enum: ["x"] },
        c: { type: "string", maxLength: 1 },
        d: { type: "array", maxItems: 0, items: { type: "string" } },
        e: { type: "integer", maximum: 1 },
      },
    }),
  );
  const errors = compiled.validate(widget({ a: "", b: "y", c: "cc", d: [""], e: 2 }));
  expect(Object.fromEntries(errors.map((e) => [e.field, e.reason]))).toEqual({
    "spec.missing": "FieldValueRequired",
    "spec.a": "FieldValueTypeInvalid",
    "spec.b": "FieldValueNotSupported",
    "spec.c": "FieldValueTooLong",
    "spec.d": "FieldValueTooMany",
    "spec.e": "FieldValueInvalid",
  });
});

it("refuses objects that nest too deeply instead of exhausting the stack", () => {
  const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`) as unknown;
  const compiled = compileSchema(schemaOf({ type: "object", "x-kubernetes-preserve-unknown-fields": true }));
  const object = widget(deep);
  expect(compiled.prune(object)).toEqual([]);
  compiled.applyDefaults(object);
  expect(compiled.validate(object, object).map((e) => e.message)).toEqual([
    'Invalid value: "": the object must not be nested more than 500 levels deep',
  ]);
});

it("takes hostile patterns in linear time", () => {
  const started = process.hrtime.bigint();
  expect(errorsFor({ type: "string", pattern: "^(a+)+$" }, `${"a".repeat(50_000)}b`)).toHaveLength(1);
  expect(Number(process.hrtime.bigint() - started) / 1e6).toBeLessThan(1000);
});

it("limits how many errors one object can cause", () => {
  expect(errorsFor({ type: "array", items: { type: "string" } }, Array(100_000).fill(1))).toHaveLength(100);
});
