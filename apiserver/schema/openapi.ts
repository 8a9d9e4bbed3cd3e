import type { SchemaNode } from "./types.ts";

/** Where a document holds metav1.ObjectMeta. */
const OBJECT_META_REF = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/** What every object has; the words of metav1, which `kubectl explain` shows. */
const TYPE_META: Readonly<Record<string, SchemaNode>> = {
  apiVersion: {
    type: "string",
    description:
      "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
  },
  kind: {
    type: "string",
    description:
      "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
  },
};
const METADATA = {
  description:
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
  allOf: [{ $ref: OBJECT_META_REF }],
};

/** An OpenAPI v3 schema object, as JSON. */
export type OpenApiSchema = Record<string, unknown>;

/**
 * The OpenAPI v3 schema that a kube-apiserver publishes for a kind (apiextensions-apiserver `controller/openapi`): the
 * schema with its validations, defaults and `x-kubernetes-*` extensions, and the fields of all objects, at the root and in
 * embedded resources. `example` and `externalDocs` are not published.
 */
export function toOpenApi(
  schema: SchemaNode,
  kind: { readonly group: string; readonly version: string; readonly kind: string },
): OpenApiSchema {
  const { group, version } = kind;
  return {
    ...withObjectFields(convert(schema), schema),
    type: "object",
    "x-kubernetes-group-version-kind": [{ group, version, kind: kind.kind }],
  };
}

function convert(schema: SchemaNode): OpenApiSchema {
  const { example: _example, externalDocs: _docs, properties, additionalProperties, items, not, ...rest } = schema;
  const { allOf, anyOf, oneOf, ...plain } = rest;
  const out: OpenApiSchema = { ...plain };
  if (properties !== undefined) out["properties"] = convertAll(properties);
  if (additionalProperties !== undefined) {
    out["additionalProperties"] =
      typeof additionalProperties === "object" ? convert(additionalProperties) : additionalProperties;
  }
  if (items !== undefined) out["items"] = convert(items);
  if (not !== undefined) out["not"] = convert(not);
  for (const [keyword, branches] of Object.entries({ allOf, anyOf, oneOf })) {
    if (branches !== undefined) out[keyword] = branches.map(convert);
  }
  return schema["x-kubernetes-embedded-resource"] === true ? withObjectFields(out, schema) : out;
}

const convertAll = (properties: Readonly<Record<string, SchemaNode>>): Record<string, OpenApiSchema> =>
  Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, convert(property)]));

/** A schema may restrict names in its metadata; what is published is ObjectMeta all the same. */
function withObjectFields(out: OpenApiSchema, schema: SchemaNode): OpenApiSchema {
  const own = convertAll(schema.properties ?? {});
  return { ...out, properties: { ...own, ...TYPE_META, metadata: METADATA } };
}
