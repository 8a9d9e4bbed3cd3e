import { childPath, indexPath, isObject } from "./field-error.ts";
import { type Node, nodeOfKey } from "./node.ts";
import { pruneObjectMeta } from "./object-meta.ts";

const META_FIELDS = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Drops from `object`, in place, what `root` does not name; returns the dropped paths, sorted. `apiVersion`, `kind` and
 * `metadata` of the object and of embedded resources stay; unknown fields inside those metadata go and are reported.
 */
export function pruneObject(object: Record<string, unknown>, root: Node): readonly string[] {
  const dropped: string[] = [];
  prune(object, { ...root, embedded: true }, "", dropped);
  return dropped.sort();
}

/** Prunes a value inside an object, such as a default. */
export const pruneValue = (value: unknown, node: Node): void => {
  prune(value, node, "", []);
};

function prune(value: unknown, node: Node | undefined, path: string, dropped: string[]): void {
  if (Array.isArray(value)) {
    const items = itemsOf(node);
    if (items === undefined && node?.preserve === true) return;
    value.forEach((item, index) => {
      prune(item, items, indexPath(path, index), dropped);
    });
    return;
  }
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const at = childPath(path, key);
    if (node?.embedded === true && META_FIELDS.has(key)) {
      if (key === "metadata") pruneObjectMeta(value, at, dropped);
      continue;
    }
    const isNamed = node?.properties.has(key) === true || node?.additional !== undefined;
    if (isNamed) prune(value[key], nodeOfKey(node, key), at, dropped);
    else if (node?.preserve !== true) {
      delete value[key];
      dropped.push(at);
    }
  }
}

/** A list that preserves unknown fields hands the licence on to its items. */
function itemsOf(node: Node | undefined): Node | undefined {
  if (node?.items === undefined || !node.preserve) return node?.items;
  return { ...node.items, preserve: true };
}
