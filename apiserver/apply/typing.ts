import type { SchemaNode } from "../schema/types.ts";

const LABELS: SchemaNode = { type: "object", additionalProperties: { type: "string" } };

/** metav1.ObjectMeta as far as lists and maps merge; CRDs say nothing of it. */
const OBJECT_META: SchemaNode = {
  type: "object",
  properties: {
    labels: LABELS,
    annotations: LABELS,
    finalizers: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
    ownerReferences: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["uid"],
      items: { type: "object", "x-kubernetes-map-type": "atomic" },
    },
  },
};

/** A schema node while an object is walked; undefined where nothing is declared and types are deduced. */
export type Typing = SchemaNode | undefined;

const roots = new WeakMap<SchemaNode, SchemaNode>();

/** The typing of a whole object: its schema, with the metadata that every kind has. */
export function rootTyping(schema: SchemaNode): SchemaNode {
  const known = roots.get(schema);
  if (known !== undefined) return known;
  const root = { ...schema, properties: { ...schema.properties, metadata: OBJECT_META } };
  roots.set(schema, root);
  return root;
}

/**
 * How a value is owned and merged: `leaf` as a whole, `map` by key, `set` by value, `keyed` by its items' map keys.
 * Undeclared objects are maps, undeclared lists are leaves (structured-merge-diff's deduced type).
 */
export type Shape = "leaf" | "map" | "set" | "keyed";

export function shapeOf(typing: Typing, value: unknown): Shape {
  if (typeof value !== "object" || value === null) return "leaf";
  if (Array.isArray(value)) return listShape(typing);
  if (typing === undefined) return "map";
  if (typing["x-kubernetes-map-type"] === "atomic") return "leaf";
  return typing.type === undefined || typing.type === "object" ? "map" : "leaf";
}

function listShape(typing: Typing): Shape {
  if (typing?.type !== "array") return "leaf";
  const listType = typing["x-kubernetes-list-type"];
  if (listType === "set") return "set";
  return listType === "map" ? "keyed" : "leaf";
}

/** Whether the schema names this member. Members of maps are owned themselves, named ones through what they hold. */
export function isNamed(typing: Typing, key: string): boolean {
  return typing?.properties !== undefined && Object.hasOwn(typing.properties, key);
}

export function memberTyping(typing: Typing, key: string): Typing {
  if (typing === undefined) return undefined;
  if (typing["x-kubernetes-embedded-resource"] === true && key === "metadata") return OBJECT_META;
  if (isNamed(typing, key)) return typing.properties?.[key];
  return typeof typing.additionalProperties === "object" ? typing.additionalProperties : undefined;
}
