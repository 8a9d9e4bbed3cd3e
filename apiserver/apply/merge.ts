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
  const merged: JsonObject = {};
  for (const [key, value] of Object.entries(live)) {
    const wanted = member(applied, key);
    merged[key] = wanted === undefined ? cloneJson(value) : mergeApplied(memberTyping(typing, key), value, wanted);
  }
  for (const [key, value] of Object.entries(applied)) {
    if (!Object.hasOwn(live, key)) merged[key] = cloneJson(value);
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
  for (const [i, element] of elements.entries()) {
    const group = groups.get(element);
    if (group === undefined) groups.set(element, [items[i] ?? null]);
    else group.push(items[i] ?? null);
  }
  return groups;
}

/** The order of a merged list; each element once. */
function mergeOrder(live: readonly string[], applied: readonly string[]): string[] {
  const isLive = new Set(live);
  const isApplied = new Set(applied);
  const shared = applied.filter((element) => isLive.has(element));
  const order = new Set<string>();
  let nextShared = 0;
  let nextApplied = 0;
  for (const element of live) {
    if (!isApplied.has(element)) order.add(element);
    else if (element === shared[nextShared]) {
      const end = applied.indexOf(element, nextApplied) + 1;
      for (; nextApplied < end; nextApplied++) order.add(applied[nextApplied] ?? "");
      nextShared++;
    }
  }
  for (const element of applied.slice(nextApplied)) order.add(element);
  return [...order];
}
