import type { Json, JsonObject } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { itemElements, UntypedListError } from "./list-items.ts";
import { memberElement } from "./path-element.ts";
import type { Typing } from "./typing.ts";
import { memberTyping, shapeOf } from "./typing.ts";

/** A copy of `value` without what stands at the paths of `set`. Untouched branches are shared with `value`. */
export function removePaths(typing: Typing, value: Json, set: FieldSet): Json {
  if (set.fields.size === 0) return value;
  const shape = shapeOf(typing, value);
  if (shape === "leaf") return value;
  if (shape === "map") return removeMembers(typing, value as JsonObject, set);
  try {
    return removeItems(typing, value as Json[], shape, set);
  } catch (error) {
    if (error instanceof UntypedListError) return value;
    throw error;
  }
}

function removeMembers(typing: Typing, map: JsonObject, set: FieldSet): JsonObject {
  const kept: JsonObject = {};
  for (const key of Object.keys(map)) {
    const value = map[key] ?? null;
    const below = set.fields.get(memberElement(key));
    if (below === undefined) kept[key] = value;
    else if (!below.self) kept[key] = removePaths(memberTyping(typing, key), value, below);
  }
  return kept;
}

function removeItems(typing: Typing, list: Json[], shape: "set" | "keyed", set: FieldSet): Json[] {
  const elements = itemElements(typing, list, shape);
  return list.flatMap((item, i) => {
    const below = set.fields.get(elements[i] ?? "");
    if (below === undefined) return [item];
    return below.self ? [] : [removePaths(typing?.items, item, below)];
  });
}
