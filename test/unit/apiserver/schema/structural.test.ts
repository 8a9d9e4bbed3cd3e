import { expect, it } from "vitest";
import { validateStructural } from "../../../../apiserver/schema/structural.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";

const show = (schema: SchemaNode): string[] => validateStructural(schema, "s").map((e) => `${e.field}: ${e.message}`);
const of = (x: unknown): SchemaNode => ({ type: "object", properties: { x } }) as SchemaNode;
const STRING: SchemaNode = { type: "string" };

it.each<[string, unknown, string[]]>([
  ["a plain schema", of({ type: "object", properties: { a: STRING } }), []],
  [
    "an int-or-string",
    of({ "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] }),
    [],
  ],
  ["preserve without type", of({ "x-kubernetes-preserve-unknown-fields": true }), []],
  [
    "metadata that restricts names",
    {
      type: "object",
      properties: { metadata: { type: "object", properties: { name: { type: "string", maxLength: 5 } } } },
    },
    [],
  ],
  ["no type", of({}), ["s.properties[x].type: Required value: must not be empty for specified object fields"]],
  ["no type at the root", { properties: {} }, ["s.type: Required value: must not be empty at the root"]],
  ["a root that is no object", { type: "string" }, ['s.type: Invalid value: "string": must be object at the root']],
  [
    "no type of items",
    of({ type: "array", items: {} }),
    ["s.properties[x].items.type: Required value: must not be empty for specified array items"],
  ],
  ["an array without items", of({ type: "array" }), ["s.properties[x].items: Required value: must be specified"]],
  [
    "an unknown type",
    of({ type: "int" }),
    [
      's.properties[x].type: Unsupported value: "int": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
  ],
  [
    "type null",
    of({ type: "null" }),
    ["s.properties[x].type: Forbidden: type cannot be set to null, use nullable as an alternative"],
  ],
  ["$ref", of({ type: "object", $ref: "#/definitions/x" }), ["s.properties[x].$ref: Forbidden: $ref is not supported"]],
  [
    "uniqueItems",
    of({ type: "array", items: STRING, uniqueItems: true }),
    [
      "s.properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    ],
  ],
  [
    "properties beside additionalProperties",
    of({ type: "object", properties: { a: STRING }, additionalProperties: STRING }),
    ["s.properties[x].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
  ],
  [
    "additionalProperties at the root",
    { type: "object", additionalProperties: STRING },
    ["s.additionalProperties: Forbidden: must not be used at the root"],
  ],
  [
    "metadata that restricts labels",
    { type: "object", properties: { metadata: { type: "object", properties: { labels: { type: "object" } } } } },
    [
      "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
    ],
  ],
  [
    "a pattern with lookahead",
    of({ type: "string", pattern: "(?=a)" }),
    [
      's.properties[x].pattern: Invalid value: "(?=a)": must be a valid regular expression, but isn\'t: error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
    ],
  ],
  [
    "a type under anyOf",
    of({ type: "integer", anyOf: [{ type: "integer", minimum: 1 }] }),
    ["s.properties[x].anyOf[0].type: Forbidden: must be empty to be structural"],
  ],
  [
    "a field named only under oneOf",
    {
      type: "object",
      properties: { a: STRING },
      oneOf: [{ required: ["a"] }, { properties: { b: { minLength: 1 } } }],
    },
    ["s.properties[b]: Required value: because it is defined in s.oneOf[1].properties[b]"],
  ],
  [
    "a list map with an unknown key",
    of({
      type: "array",
      items: { type: "object" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
    }),
    [
      's.properties[x].x-kubernetes-list-map-keys: Invalid value: ["name"]: entries must all be names of item properties',
    ],
  ],
  [
    "a set of granular objects",
    of({ type: "array", items: { type: "object" }, "x-kubernetes-list-type": "set" }),
    [
      "s.properties[x].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
    ],
  ],
  [
    "an unknown list type",
    of({ type: "array", items: STRING, "x-kubernetes-list-type": "bag" }),
    ['s.properties[x].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"'],
  ],
  [
    "map keys without list type",
    of({ type: "array", items: STRING, "x-kubernetes-list-map-keys": ["a"] }),
    ["s.properties[x].x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty"],
  ],
  [
    "an embedded resource without content",
    of({ type: "object", "x-kubernetes-embedded-resource": true }),
    [
      "s.properties[x].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
    ],
  ],
  [
    "int-or-string that preserves",
    of({ "x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true }),
    [
      "s.properties[x].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
    ],
  ],
  [
    "a wrong default",
    of({ type: "integer", default: "a" }),
    ['s.properties[x].default: Invalid value: "string":  in body must be of type integer: "string"'],
  ],
  [
    "a default with unknown fields",
    of({ type: "object", properties: { a: STRING }, default: { b: 1 } }),
    ['s.properties[x].default: Invalid value: {"b":1}: must not have unknown fields'],
  ],
  [
    "a default that is wrong inside",
    of({ type: "object", properties: { a: { type: "string", maxLength: 1 } }, default: { a: "xx" } }),
    ["s.properties[x].default.a: Too long: may not be more than 1 byte"],
  ],
  [
    "a default of metadata",
    { type: "object", properties: { metadata: { type: "object", default: {} } } },
    ["s.properties[metadata].default: Forbidden: must not be set in top-level metadata"],
  ],
  [
    "nullable at the root",
    { type: "object", nullable: true },
    ["s.nullable: Forbidden: nullable cannot be true at the root"],
  ],
  [
    "a rule without text",
    of({ type: "string", "x-kubernetes-validations": [{ rule: " " }] }),
    ["s.properties[x].x-kubernetes-validations[0].rule: Required value: rule is not specified"],
  ],
  [
    "a rule with an unknown reason",
    of({ type: "string", "x-kubernetes-validations": [{ rule: "true", reason: "Because" }] }),
    [
      's.properties[x].x-kubernetes-validations[0].reason: Unsupported value: "Because": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
    ],
  ],
  [
    "a rule with a path to nowhere",
    of({ type: "object", properties: { a: STRING }, "x-kubernetes-validations": [{ rule: "true", fieldPath: ".b" }] }),
    ['s.properties[x].x-kubernetes-validations[0].fieldPath: Invalid value: ".b": fieldPath must be a valid path'],
  ],
])("judges %s", (_name, schema, expected) => {
  expect(show(schema as SchemaNode)).toEqual(expected);
});

it("refuses schemas nested too deeply", () => {
  let schema: SchemaNode = STRING;
  for (let i = 0; i < 5000; i += 1) schema = of(schema);
  expect(show(schema)).toEqual(['s: Invalid value: "": must not be nested more than 200 levels deep']);
});
