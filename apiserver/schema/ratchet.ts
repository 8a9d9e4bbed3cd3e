import { isObject } from "./field-error.ts";
import { mapKey } from "./list-type.ts";
import { getOwn, jsonEqual, type Node, nodeOfKey } from "./node.ts";

/** A value of the new object beside the value of the old object that stands for it, if one does. */
export interface Correlated {
  readonly value: unknown;
  readonly old: unknown;
  readonly node: Node | undefined;
}

/**
 * Whether an error at `pointer` (keys and indices from the root) is none of the writer's making: the value there, or
 * something around it, is the same in the old object. List items correlate by key (map) or index (no list type).
 */
export function isUnchanged(root: Correlated, pointer: readonly string[]): boolean {
  let at: Correlated | undefined = root;
  for (const key of pointer) {
    if (at === undefined || jsonEqual(at.value, at.old)) break;
    at = step(at, key);
  }
  return at !== undefined && jsonEqual(at.value, at.old);
}

/** One step down, or undefined where old and new cannot be brought together. */
export function step(from: Correlated, key: string): Correlated | undefined {
  const { value, old, node } = from;
  if (Array.isArray(value)) {
    const index = Number(key);
    const oldItem = Array.isArray(old) ? correlateItem(value[index], index, old, node) : undefined;
    return oldItem === undefined ? undefined : { value: value[index], old: oldItem, node: node?.items };
  }
  if (!isObject(value) || !isObject(old) || !Object.hasOwn(old, key)) return undefined;
  return { value: getOwn(value, key), old: getOwn(old, key), node: nodeOfKey(node, key) };
}

function correlateItem(item: unknown, index: number, old: readonly unknown[], node: Node | undefined): unknown {
  const type = node?.schema["x-kubernetes-list-type"];
  if (type === undefined) return old[index];
  if (type !== "map") return undefined;
  const keys = node?.schema["x-kubernetes-list-map-keys"] ?? [];
  const wanted = mapKey(item, keys);
  return old.find((candidate) => jsonEqual(mapKey(candidate, keys), wanted));
}
