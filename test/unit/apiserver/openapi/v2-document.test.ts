import { expect, it } from "vitest";
import { toV2 } from "../../../../apiserver/openapi/v2-document.ts";

const TEXT = { type: "string" };

it.each<[string, object, object]>([
  ["a reference", { $ref: "#/components/schemas/a.B" }, { $ref: "#/definitions/a.B" }],
  [
    "a reference with words of its own",
    { description: "Its metadata.", allOf: [{ $ref: "#/components/schemas/a.B" }] },
    { description: "Its metadata.", $ref: "#/definitions/a.B" },
  ],
  ["junctors", { type: "object", oneOf: [{}], anyOf: [{}], not: {}, allOf: [{ required: ["a"] }] }, { type: "object" }],
  [
    "what may be null: nothing is said about it, nor is it required",
    { type: "object", required: ["a", "b"], properties: { a: { ...TEXT, nullable: true }, b: TEXT } },
    { type: "object", required: ["b"], properties: { a: {}, b: TEXT } },
  ],
  [
    "what keeps unknown fields: nobody may look into it",
    { type: "object", properties: { a: TEXT }, "x-kubernetes-preserve-unknown-fields": true },
    { "x-kubernetes-preserve-unknown-fields": true },
  ],
  [
    "a list of anything",
    { type: "array", items: TEXT, "x-kubernetes-preserve-unknown-fields": true, nullable: true },
    { "x-kubernetes-preserve-unknown-fields": true },
  ],
  ["a list without items", { type: "array" }, {}],
  [
    "int-or-string",
    { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, TEXT] },
    { "x-kubernetes-int-or-string": true },
  ],
  [
    "a map of lists of objects",
    {
      type: "object",
      additionalProperties: { type: "array", items: { type: "object", nullable: true, properties: {} } },
    },
    { type: "object", additionalProperties: { type: "array", items: {} } },
  ],
  [
    "limits, defaults and extensions stay",
    { type: "integer", minimum: 1, default: 2, enum: [1, 2], "x-kubernetes-validations": [{ rule: "self > 0" }] },
    { type: "integer", minimum: 1, default: 2, enum: [1, 2], "x-kubernetes-validations": [{ rule: "self > 0" }] },
  ],
])("OpenAPI v2 of %s", (_, schema, wanted) => {
  expect(toV2(schema as never)).toEqual(wanted);
});
