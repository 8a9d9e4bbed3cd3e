import type { Json, JsonObject, KubeObject } from "../../machinery/object.ts";
import type { FieldError } from "../status.ts";

/**
 * A node of an OpenAPI v3 schema as it stands in a CRD (apiextensions.k8s.io/v1 JSONSchemaProps). Built-in kinds are
 * described in the same form, so that there is one path for validation, defaulting, pruning, apply and OpenAPI.
 */
export interface SchemaNode {
  type?: string;
  format?: string;
  title?: string;
  description?: string;
  nullable?: boolean;
  default?: Json;
  enum?: Json[];
  example?: Json;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  required?: string[];
  items?: SchemaNode;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  allOf?: SchemaNode[];
  anyOf?: SchemaNode[];
  oneOf?: SchemaNode[];
  not?: SchemaNode;
  externalDocs?: JsonObject;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: "granular" | "atomic";
  "x-kubernetes-validations"?: ValidationRule[];
  /** Built-in kinds only: strategic merge patch. */
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-patch-merge-key"?: string;
}

/** One CEL rule of `x-kubernetes-validations`. */
export interface ValidationRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
  fieldPath?: string;
  optionalOldSelf?: boolean;
}

/** A schema made ready once, used for every request. All functions are synchronous and bounded in time. */
export interface CompiledSchema {
  readonly root: SchemaNode;
  /** Drops what the schema does not name, in place; returns the paths dropped (`spec.bogus`, `metadata.foo`). */
  prune(object: KubeObject): readonly string[];
  /** Fills defaults and drops nulls that are neither nullable nor defaulted, in place. */
  applyDefaults(object: KubeObject): void;
  /**
   * Types, formats, limits, list types, embedded objects and CEL. With `old`: transition rules and ratcheting
   * (what was already wrong and has not changed does not fail).
   */
  validate(object: KubeObject, old?: KubeObject): readonly FieldError[];
}

/** `schema/compile.ts`: `compileSchema(root)`; throws never for a schema that `validateStructural` passed. */
export type CompileSchema = (root: SchemaNode) => CompiledSchema;
