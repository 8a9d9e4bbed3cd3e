import type { Json, JsonObject } from "../../machinery/object.ts";
import { cloneJson, member } from "./json-value.ts";
import { itemElements, uniqueElements } from "./list-items.ts";
import type { Typing } from "./typing.ts";
import { memberTyping, shapeOf } from "./typing.ts";

/**
 * Merges an applied value into the live one by type: maps by key, sets and keyed lists by item, leaves are replaced.
 * `applied` must have path elements for its lists (to-field-set.ts checks). The result shares nothing with either.
 */
export function mergeApplied(typing: Typing, live: Json | undefined, applied: Json): Json {
  const shape = shapeOf(typing, applied);
  if (shape === "leaf" || live === undefined || shapeOf(typing, live) !== shape) return cloneJson(applied);
  if (shape === "map") return mergeMaps(typing, live as JsonObject, applied as JsonObject);
  return mergeLists(typing, live as Json[], applied as Json[], shape);
}

function mergeMaps(typing: Typing, live: JsonObject, applied: JsonObject): JsonObject {
  const merged = cloneJson(live);
  for (const key of Object.keys(applied)) {
    merged[key] = mergeApplied(memberTyping(typing, key), member(live, key), applied[key] ?? null);
  }
  return merged;
}

/**
 * Items that both have stand in the applied order; items only in `live` keep their place among them, after the shared
 * item that they follow now; new items follow the one that they were applied after.
 */
function mergeLists(typing: Typing, live: Json[], applied: Json[], shape: "set" | "keyed"): Json[] {
  const liveElements = uniqueElements(typing, live, shape) ?? tolerant(typing, live, shape);
  if (liveElements === undefined) return cloneJson(applied);
  const appliedElements = itemElements(typing, applied, shape);
  const order = mergeOrder(liveElements, appliedElements);
  const inLive = groupByElement(liveElements, live);
  const inApplied = new Map(appliedElements.map((element, i) => [element, applied[i] ?? null]));
  return order.flatMap((element) => {
    const olds = inLive.get(element) ?? [];
    const item = inApplied.get(element);
    if (item === undefined) return olds.map((old) => cloneJson(old));
    return [mergeApplied(typing?.items, olds.length === 1 ? olds[0] : undefined, item)];
  });
}

/** A live set may hold duplicates from before it was one; an item without its key makes the list a leaf. */
function tolerant(typing: Typing, live: Json[], shape: "set" | "keyed"): string[] | undefined {
  try {
    return itemElements(typing, live, shape);
  } catch {
    return undefined;
  }
}

function groupByElement(elements: readonly string[], items: readonly Json[]): Map<string, Json[]> {
  const groups = new Map<string, Json[]>();
  for (const [i, element] of elements.entries())
    groups.set(element, [...(groups.get(element) ?? []), items[i] ?? null]);
  return groups;
}

/** The order of a merged list; each element once. */
function mergeOrder(live: readonly string[], applied: readonly string[]): string[] {
  const isLive = new Set(live);
  const isApplied = new Set(applied);
  const order: string[] = [];
  const done = new Set<string>();
  const take = (element: string) => {
    if (!done.has(element)) order.push(element);
    done.add(element);
  };
  let next = 0;
  for (const element of live) {
    if (!isApplied.has(element)) take(element);
    else if (!done.has(element) && element === nextShared(applied, next, isLive)) next = takeUpTo(element);
  }
  for (const element of applied.slice(next)) take(element);
  return order;

  function takeUpTo(element: string): number {
    let i = next;
    for (; applied[i] !== element; i++) take(applied[i] ?? "");
    take(element);
    return i + 1;
  }
}

function nextShared(applied: readonly string[], from: number, isLive: ReadonlySet<string>): string | undefined {
  for (let i = from; i < applied.length; i++) {
    const element = applied[i];
    if (element !== undefined && isLive.has(element)) return element;
  }
  return undefined;
}
