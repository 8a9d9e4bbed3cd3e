import type { Environment } from "@marcbachmann/cel-js";
import { celEqual } from "../equality.ts";
import { registerAll, registerNamespace } from "./register.ts";

type List = readonly unknown[];
type Comparable = bigint | number | string | boolean;

const less = (a: unknown, b: unknown): boolean => (a as Comparable) < (b as Comparable);

/** List functions of Kubernetes (`library/lists.go`), of cel-go's `ext.Lists`, and sets. */
export function registerLists(env: Environment): void {
  registerAll(env, {
    "list<T>.isSorted(): bool": (list: List) => list.every((item, i) => i === 0 || !less(item, list[i - 1])),
    "list<int>.sum(): int": (list: readonly bigint[]) => checkInt(list.reduce((sum, n) => sum + n, 0n)),
    "list<double>.sum(): double": (list: readonly number[]) => list.reduce((sum, n) => sum + n, 0),
    "list<T>.min(): T": (list: List) => pick(list, less, "min"),
    "list<T>.max(): T": (list: List) => pick(list, (a, b) => less(b, a), "max"),
    "list<T>.__indexOf(T): int": (list: List, item: unknown) => BigInt(list.findIndex((one) => celEqual(one, item))),
    "list<T>.__lastIndexOf(T): int": (list: List, item: unknown) =>
      BigInt(list.findLastIndex((one) => celEqual(one, item))),
    "list<T>.slice(int, int): list<T>": slice,
    "list<T>.sort(): list<T>": (list: List) => list.toSorted((a, b) => (less(a, b) ? -1 : Number(less(b, a)))),
    "list<T>.distinct(): list<T>": distinct,
    "list<T>.reverse(): list<T>": (list: List) => list.toReversed(),
    "list<list<T>>.flatten(): list<T>": (list: readonly List[]) => list.flat(),
  });
  registerNamespace(env, "sets", {
    "contains(list<T>, list<T>): bool": (_sets: unknown, list: List, sub: List) => containsAll(list, sub),
    "equivalent(list<T>, list<T>): bool": (_sets: unknown, a: List, b: List) => containsAll(a, b) && containsAll(b, a),
    "intersects(list<T>, list<T>): bool": (_sets: unknown, a: List, b: List) => b.some((item) => includes(a, item)),
  });
}

const includes = (list: List, item: unknown): boolean => list.some((one) => celEqual(one, item));
const containsAll = (list: List, sub: List): boolean => sub.every((item) => includes(list, item));

const MAX_INT = 2n ** 63n - 1n;

function checkInt(value: bigint): bigint {
  if (value > MAX_INT || value < -MAX_INT - 1n) throw new Error("integer overflow");
  return value;
}

function pick(list: List, isBetter: (a: unknown, b: unknown) => boolean, name: string): unknown {
  if (list.length === 0) throw new Error(`${name} called on empty list`);
  return list.reduce((best, item) => (isBetter(item, best) ? item : best));
}

function slice(list: List, from: bigint, to: bigint): List {
  if (from < 0n || to < from || to > BigInt(list.length)) {
    throw new Error(`cannot slice(${from}, ${to}), list is length ${list.length}`);
  }
  return list.slice(Number(from), Number(to));
}

/** Scalars are found by their value in constant time; anything else is compared with what was kept. */
function distinct(list: List): List {
  const seen = new Set<unknown>();
  const kept: unknown[] = [];
  for (const item of list) {
    const isScalar = typeof item !== "object";
    if (isScalar ? seen.has(item) : includes(kept, item)) continue;
    seen.add(item);
    kept.push(item);
  }
  return kept;
}
