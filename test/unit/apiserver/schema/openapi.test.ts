import { expect, it } from "vitest";
import { toOpenApi } from "../../../../apiserver/schema/openapi.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";

const KIND = { group: "example.com", version: "v1", kind: "Widget" };
const META_REF = { $ref: "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };

interface Published {
  type?: string;
  properties: Record<string, Published>;
  [key: string]: unknown;
}
const publish = (schema: SchemaNode): Published => toOpenApi(schema, KIND) as Published;

it("adds what every object has and names the kind", () => {
  const schema = publish({ type: "object", description: "A widget.", properties: { spec: { type: "object" } } });
  expect(Object.keys(schema.properties)).toEqual(["spec", "apiVersion", "kind", "metadata"]);
  expect(schema.properties["metadata"]).toMatchObject({ allOf: [META_REF] });
  expect(schema.description).toBe("A widget.");
  expect(schema["x-kubernetes-group-version-kind"]).toEqual([KIND]);
});

it("publishes ObjectMeta also where the schema restricts names", () => {
  const schema = publish({
    type: "object",
    properties: { metadata: { type: "object", properties: { name: { type: "string", maxLength: 5 } } } },
  });
  expect(schema.properties["metadata"]).toMatchObject({ allOf: [META_REF] });
  expect(schema.properties["metadata"]?.properties).toBeUndefined();
});

it("keeps validations, defaults, nullable and extensions; drops what is not published", () => {
  const spec: SchemaNode = {
    type: "object",
    required: ["a"],
    properties: {
      a: { type: "string", nullable: true, default: "x", example: "y", pattern: "^x" },
      n: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
      l: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: { type: "object", required: ["k"], properties: { k: { type: "string", externalDocs: { url: "u" } } } },
      },
    },
    "x-kubernetes-validations": [{ rule: "self.a == 'x'" }],
  };
  expect(publish({ type: "object", properties: { spec } }).properties["spec"]).toEqual({
    type: "object",
    required: ["a"],
    properties: {
      a: { type: "string", nullable: true, default: "x", pattern: "^x" },
      n: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
      l: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: { type: "object", required: ["k"], properties: { k: { type: "string" } } },
      },
    },
    "x-kubernetes-validations": [{ rule: "self.a == 'x'" }],
  });
});

it("adds the fields of objects to embedded resources", () => {
  const schema = publish({
    type: "object",
    properties: {
      template: {
        type: "object",
        "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
      },
    },
  });
  expect(Object.keys(schema.properties["template"]?.properties ?? {})).toEqual(["apiVersion", "kind", "metadata"]);
});

it("leaves the schema itself as it was", () => {
  const schema: SchemaNode = { type: "object", properties: { spec: { type: "object", example: {} } } };
  const before = structuredClone(schema);
  publish(schema);
  expect(schema).toEqual(before);
});
