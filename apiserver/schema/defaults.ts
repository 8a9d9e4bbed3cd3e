import { isObject } from "./field-error.ts";
import { type Node, nodeOfKey, setOwn } from "./node.ts";

/** Drops nulls that are neither nullable nor defaulted, then fills defaults, in place; defaults of defaults cascade. */
export function defaultObject(object: Record<string, unknown>, root: Node): void {
  dropNulls(object, root);
  fill(object, root);
}

const isForbiddenNull = (value: unknown, node: Node | undefined): node is Node =>
  value === null && node !== undefined && !node.nullable;

function dropNulls(value: unknown, node: Node | undefined): void {
  if (node === undefined) return;
  if (Array.isArray(value)) for (const item of value) dropNulls(item, node.items);
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const child = nodeOfKey(node, key);
    if (isForbiddenNull(value[key], child) && child.default === undefined) delete value[key];
    else dropNulls(value[key], child);
  }
}

function fill(value: unknown, node: Node | undefined): void {
  if (node === undefined) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      // A null item without a default stays: validation refuses it with its index.
      if (isForbiddenNull(value[i], node.items)) value[i] = structuredClone(node.items.default ?? null);
      fill(value[i], node.items);
    }
  }
  if (!isObject(value)) return;
  for (const [key, child] of node.properties) {
    if (child.default === undefined) continue;
    if (!Object.hasOwn(value, key)) setOwn(value, key, structuredClone(child.default));
  }
  for (const key of Object.keys(value)) {
    const child = nodeOfKey(node, key);
    if (isForbiddenNull(value[key], child) && child.default !== undefined) {
      setOwn(value, key, structuredClone(child.default));
    }
    fill(value[key], child);
  }
}
