import type { FieldError } from "../status.ts";
import { OBJECT_META } from "./object-meta.ts";
import { pruneShape, type Shape, shapeError } from "./shape.ts";

const struct = (name: string, fields: Readonly<Record<string, Shape>>): Shape => ({ struct: name, fields });

const RULE = struct("v1.ValidationRule", {
  rule: "string",
  message: "string",
  messageExpression: "string",
  reason: "string",
  fieldPath: "string",
  optionalOldSelf: "boolean",
});

/** apiextensions.k8s.io/v1 JSONSchemaProps. The fields that refer to it again are added below. */
const SCHEMA_FIELDS: Record<string, Shape> = {
  id: "string",
  $schema: "string",
  $ref: "string",
  description: "string",
  type: "string",
  format: "string",
  title: "string",
  default: "json",
  maximum: "number",
  exclusiveMaximum: "boolean",
  minimum: "number",
  exclusiveMinimum: "boolean",
  maxLength: "integer",
  minLength: "integer",
  pattern: "string",
  maxItems: "integer",
  minItems: "integer",
  uniqueItems: "boolean",
  multipleOf: "number",
  enum: { list: "json" },
  maxProperties: "integer",
  minProperties: "integer",
  required: { list: "string" },
  dependencies: "json",
  additionalItems: "json",
  externalDocs: struct("v1.ExternalDocumentation", { description: "string", url: "string" }),
  example: "json",
  nullable: "boolean",
  "x-kubernetes-preserve-unknown-fields": "boolean",
  "x-kubernetes-embedded-resource": "boolean",
  "x-kubernetes-int-or-string": "boolean",
  "x-kubernetes-list-map-keys": { list: "string" },
  "x-kubernetes-list-type": "string",
  "x-kubernetes-map-type": "string",
  "x-kubernetes-validations": { list: RULE },
};
const SCHEMA = struct("v1.JSONSchemaProps", SCHEMA_FIELDS);
Object.assign(SCHEMA_FIELDS, {
  items: { either: [{ list: SCHEMA }, SCHEMA] },
  allOf: { list: SCHEMA },
  oneOf: { list: SCHEMA },
  anyOf: { list: SCHEMA },
  not: SCHEMA,
  properties: { map: SCHEMA },
  additionalProperties: { either: ["boolean", SCHEMA] },
  patternProperties: { map: SCHEMA },
  definitions: { map: SCHEMA },
} satisfies Record<string, Shape>);

const NAMES = struct("v1.CustomResourceDefinitionNames", {
  plural: "string",
  singular: "string",
  shortNames: { list: "string" },
  kind: "string",
  listKind: "string",
  categories: { list: "string" },
});

const VERSION = struct("v1.CustomResourceDefinitionVersion", {
  name: "string",
  served: "boolean",
  storage: "boolean",
  deprecated: "boolean",
  deprecationWarning: "string",
  schema: struct("v1.CustomResourceValidation", { openAPIV3Schema: SCHEMA }),
  subresources: struct("v1.CustomResourceSubresources", {
    status: struct("v1.CustomResourceSubresourceStatus", {}),
    scale: struct("v1.CustomResourceSubresourceScale", {
      specReplicasPath: "string",
      statusReplicasPath: "string",
      labelSelectorPath: "string",
    }),
  }),
  additionalPrinterColumns: {
    list: struct("v1.CustomResourceColumnDefinition", {
      name: "string",
      type: "string",
      format: "string",
      description: "string",
      priority: "integer",
      jsonPath: "string",
    }),
  },
  selectableFields: { list: struct("v1.SelectableField", { jsonPath: "string" }) },
});

const CONDITION = struct("v1.CustomResourceDefinitionCondition", {
  type: "string",
  status: "string",
  lastTransitionTime: "time",
  reason: "string",
  message: "string",
  observedGeneration: "integer",
});

const CRD = struct("v1.CustomResourceDefinition", {
  apiVersion: "string",
  kind: "string",
  metadata: OBJECT_META,
  spec: struct("v1.CustomResourceDefinitionSpec", {
    group: "string",
    names: NAMES,
    scope: "string",
    versions: { list: VERSION },
    conversion: struct("v1.CustomResourceConversion", { strategy: "string", webhook: "json" }),
    preserveUnknownFields: "boolean",
  }),
  status: struct("v1.CustomResourceDefinitionStatus", {
    conditions: { list: CONDITION },
    acceptedNames: NAMES,
    storedVersions: { list: "string" },
    observedGeneration: "integer",
  }),
});

/** Drops fields that no CustomResourceDefinition has, in place; returns their paths, sorted. */
export function pruneCrd(crd: Record<string, unknown>): readonly string[] {
  const dropped: string[] = [];
  pruneShape(crd, CRD, "", dropped);
  return dropped.sort();
}

/** The first field of a type that cannot be read. */
export const crdShapeError = (crd: unknown): FieldError | undefined => shapeError(crd, CRD, "");
