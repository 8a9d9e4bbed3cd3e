import { goJson, isObject } from "./field-error.ts";
import { mapKey } from "./list-type.ts";
import { getOwn, jsonEqual, type Node, nodeOfKey } from "./node.ts";

/** A value of the new object beside the value of the old object that stands for it. */
interface Pair {
  readonly value: unknown;
  readonly old: unknown;
  readonly node: Node | undefined;
}

/**
 * Tells errors of the writer's making from those that were there before (CRD validation ratcheting). One for each update:
 * comparisons are remembered, so that a thousand errors do not compare the object a thousand times.
 */
export class Ratchet {
  readonly #root: Pair;
  readonly #equal = new Map<object, boolean>();
  readonly #byKey = new Map<readonly unknown[], ReadonlyMap<string, unknown>>();

  constructor(value: unknown, old: unknown, node: Node) {
    this.#root = { value, old, node };
  }

  /**
   * Whether the value at `pointer` (keys and indices from the root), or something around it, is the same in the old
   * object. List items correlate by key (map) or index (no list type); those of sets and atomic lists do not.
   */
  isUnchanged(pointer: readonly string[]): boolean {
    let at: Pair | undefined = this.#root;
    for (const key of pointer) {
      if (at === undefined || this.#isEqual(at)) break;
      at = this.#step(at, key);
    }
    return at !== undefined && this.#isEqual(at);
  }

  #isEqual({ value, old }: Pair): boolean {
    if (typeof value !== "object" || value === null) return value === old;
    const known = this.#equal.get(value);
    if (known !== undefined) return known;
    const isEqual = jsonEqual(value, old);
    this.#equal.set(value, isEqual);
    return isEqual;
  }

  /** One step down, or undefined where old and new cannot be brought together. */
  #step({ value, old, node }: Pair, key: string): Pair | undefined {
    if (Array.isArray(value)) {
      const item: unknown = value[Number(key)];
      const oldItem = Array.isArray(old) ? this.#oldItem(item, Number(key), old, node) : undefined;
      return oldItem === undefined ? undefined : { value: item, old: oldItem, node: node?.items };
    }
    if (!isObject(value) || !isObject(old) || !Object.hasOwn(old, key)) return undefined;
    return { value: getOwn(value, key), old: getOwn(old, key), node: nodeOfKey(node, key) };
  }

  #oldItem(item: unknown, index: number, old: readonly unknown[], node: Node | undefined): unknown {
    const type = node?.schema["x-kubernetes-list-type"];
    if (type === undefined) return old[index];
    if (type !== "map") return undefined;
    const keys = node?.schema["x-kubernetes-list-map-keys"] ?? [];
    const known = this.#byKey.get(old) ?? new Map(old.map((each) => [goJson(mapKey(each, keys)), each]));
    this.#byKey.set(old, known);
    return known.get(goJson(mapKey(item, keys)));
  }
}
