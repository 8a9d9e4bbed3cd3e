import type { Json } from "../../machinery/object.ts";
import type { SchemaNode } from "./types.ts";

/**
 * The structural part of a schema, made ready for walking objects. Properties are in a Map: an object's key can be
 * `constructor` or `__proto__`, which a plain record would find on its prototype.
 */
export interface Node {
  readonly schema: SchemaNode;
  readonly properties: ReadonlyMap<string, Node>;
  /** `any`: additionalProperties is `true`, entries have no schema of their own. */
  readonly additional: Node | "any" | undefined;
  readonly items: Node | undefined;
  readonly preserve: boolean;
  readonly embedded: boolean;
  readonly nullable: boolean;
  readonly default: Json | undefined;
}

export function buildNode(schema: SchemaNode): Node {
  const additional = schema.additionalProperties;
  return {
    schema,
    properties: new Map(Object.entries(schema.properties ?? {}).map(([name, child]) => [name, buildNode(child)])),
    additional: typeof additional === "object" ? buildNode(additional) : additional === true ? "any" : undefined,
    items: schema.items === undefined ? undefined : buildNode(schema.items),
    preserve: schema["x-kubernetes-preserve-unknown-fields"] === true,
    embedded: schema["x-kubernetes-embedded-resource"] === true,
    nullable: schema.nullable === true,
    default: schema.default === null ? undefined : schema.default,
  };
}

/** Whether `wanted` holds for the node or for one below it. */
export function someNode(node: Node, wanted: (node: Node) => boolean): boolean {
  if (wanted(node)) return true;
  const { properties, additional, items } = node;
  const below = [
    ...properties.values(),
    ...(typeof additional === "object" ? [additional] : []),
    ...(items ? [items] : []),
  ];
  return below.some((each) => someNode(each, wanted));
}

/** The schema of one key of an object: the property, else that of additional entries, else nothing. */
export function nodeOfKey(node: Node | undefined, key: string): Node | undefined {
  const property = node?.properties.get(key);
  if (property !== undefined) return property;
  return node?.additional === "any" ? undefined : node?.additional;
}

/** Sets an own property, also for `__proto__`, where an assignment would change the prototype. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[key] = value;
  }
}

export const getOwn = (target: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(target, key) ? target[key] : undefined;

/** Whether objects and arrays nest deeper than `limit`. Does not recurse. */
export function nestsDeeperThan(root: unknown, limit: number): boolean {
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth >= limit) return true;
    for (const child of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
      if (typeof child === "object" && child !== null) pending.push({ value: child, depth: depth + 1 });
    }
  }
  return false;
}

/** Deep equality of JSON values; the order of keys does not matter. Does not recurse. */
export function jsonEqual(left: unknown, right: unknown): boolean {
  const pending: [unknown, unknown][] = [[left, right]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [a, b] = next;
    if (a === b) continue;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    for (const key of keys) {
      if (!Object.hasOwn(b, key)) return false;
      pending.push([getOwn(a as Record<string, unknown>, key), getOwn(b as Record<string, unknown>, key)]);
    }
  }
  return true;
}
