import type { SchemaNode } from "../schema/types.ts";

/**
 * Words for writing the schemas of built-in kinds. Descriptions are what `kubectl explain` prints. Every function
 * returns a new node.
 */
export type Fields = Readonly<Record<string, SchemaNode>>;

export const text = (description: string, more: SchemaNode = {}): SchemaNode => ({
  type: "string",
  description,
  ...more,
});

export const flag = (description: string): SchemaNode => ({ type: "boolean", description });

export const int32 = (description: string, more: SchemaNode = {}): SchemaNode => ({
  type: "integer",
  format: "int32",
  description,
  ...more,
});

export const int64 = (description: string): SchemaNode => ({ type: "integer", format: "int64", description });

/** Base64 in JSON. */
export const bytes = (description: string): SchemaNode => ({ type: "string", format: "byte", description });

/** metav1.Time and metav1.MicroTime: both are RFC 3339. */
export const time = (description: string): SchemaNode => ({ type: "string", format: "date-time", description });

export const record = (description: string, fields: Fields, required: readonly string[] = []): SchemaNode => ({
  type: "object",
  description,
  properties: { ...fields },
  ...(required.length === 0 ? {} : { required: [...required] }),
});

export const mapOf = (description: string, values: SchemaNode): SchemaNode => ({
  type: "object",
  description,
  additionalProperties: values,
});

/** Replaced as a whole by every patch and apply. */
export const listOf = (description: string, items: SchemaNode): SchemaNode => ({
  type: "array",
  description,
  items,
  "x-kubernetes-list-type": "atomic",
});

export const setOf = (description: string, items: SchemaNode): SchemaNode => ({
  type: "array",
  description,
  items,
  "x-kubernetes-list-type": "set",
});

/** Merged by key, in server-side apply and in strategic merge patches. */
export const listByKey = (description: string, key: string, items: SchemaNode): SchemaNode => ({
  type: "array",
  description,
  items,
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": [key],
  "x-kubernetes-patch-strategy": "merge",
  "x-kubernetes-patch-merge-key": key,
});

export const atomic = (node: SchemaNode): SchemaNode => ({ ...node, "x-kubernetes-map-type": "atomic" });

/** Anything goes, nothing is dropped. */
export const anything = (description: string): SchemaNode => ({
  type: "object",
  description,
  "x-kubernetes-preserve-unknown-fields": true,
});

/** The root of a kind: apiVersion, kind and metadata, then `fields`. */
export const kindSchema = (description: string, fields: Fields, required: readonly string[] = []): SchemaNode =>
  record(
    description,
    {
      apiVersion: text("Version of the schema in which this object is written, as GROUP/VERSION."),
      kind: text("Kind of this object, in CamelCase."),
      // Implied: the server describes and checks it for all kinds alike.
      metadata: { type: "object" },
      ...fields,
    },
    required,
  );

export const objectReference = (description: string): SchemaNode =>
  atomic(
    record(description, {
      apiVersion: text("API version of the object."),
      kind: text("Kind of the object."),
      namespace: text("Namespace of the object; empty if it is cluster-scoped."),
      name: text("Name of the object."),
      uid: text("UID of the object."),
      resourceVersion: text("The resourceVersion that is meant, if any."),
      fieldPath: text("A piece of the object, such as spec.containers{name}."),
    }),
  );

/** metav1.Condition, or the older form without observedGeneration. */
export const conditions = (description: string): SchemaNode =>
  listByKey(
    description,
    "type",
    record(
      "What was seen at one time about one aspect of the object.",
      {
        type: text("Name of the aspect, in CamelCase."),
        status: text("One of True, False, Unknown."),
        observedGeneration: int64("The metadata.generation that this condition is about."),
        lastTransitionTime: time("When the status changed last."),
        lastUpdateTime: time("When the condition was written last."),
        reason: text("Why, as one word in CamelCase."),
        message: text("Why, for people."),
      },
      ["type", "status"],
    ),
  );
