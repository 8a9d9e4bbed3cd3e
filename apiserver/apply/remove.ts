import type { Json, JsonObject } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { EMPTY } from "./field-set.ts";
import { itemElements, UntypedListError } from "./list-items.ts";
import { memberElement } from "./path-element.ts";
import type { Typing } from "./typing.ts";
import { memberTyping, shapeOf } from "./typing.ts";

/**
 * A copy of `value` without what stands at the paths of `gone`. A container that loses all it held goes too, unless
 * its own path is in `kept`: somebody owns it, empty or not (structured-merge-diff leaves null there). Untouched
 * branches are shared with `value`.
 */
export function removePaths(typing: Typing, value: Json, gone: FieldSet, kept: FieldSet): Json {
  return removeInside(typing, value, gone, kept) ?? (Array.isArray(value) ? [] : {});
}

/** Undefined: nothing is left of it. */
function removeInside(typing: Typing, value: Json, gone: FieldSet, kept: FieldSet): Json | undefined {
  if (gone.fields.size === 0) return value;
  const shape = shapeOf(typing, value);
  if (shape === "leaf") return value;
  if (shape === "map") return removeMembers(typing, value as JsonObject, gone, kept);
  try {
    return removeItems(typing, value as Json[], shape, gone, kept);
  } catch (error) {
    if (error instanceof UntypedListError) return value;
    throw error;
  }
}

function removeMembers(typing: Typing, map: JsonObject, gone: FieldSet, kept: FieldSet): JsonObject | undefined {
  const rest: JsonObject = {};
  for (const key of Object.keys(map)) {
    const value = map[key] ?? null;
    const element = memberElement(key);
    const below = gone.fields.get(element);
    const inside =
      below === undefined ? value : remainder(memberTyping(typing, key), value, below, kept.fields.get(element));
    if (inside !== undefined) rest[key] = inside;
  }
  return kept.self || Object.keys(rest).length > 0 || Object.keys(map).length === 0 ? rest : undefined;
}

function removeItems(
  typing: Typing,
  list: Json[],
  shape: "set" | "keyed",
  gone: FieldSet,
  kept: FieldSet,
): Json[] | undefined {
  const elements = itemElements(typing, list, shape);
  const rest: Json[] = [];
  for (const [i, item] of list.entries()) {
    const element = elements[i] ?? "";
    const below = gone.fields.get(element);
    const inside = below === undefined ? item : remainder(typing?.items, item, below, kept.fields.get(element));
    if (inside !== undefined) rest.push(inside);
  }
  return kept.self || rest.length > 0 || list.length === 0 ? rest : undefined;
}

const remainder = (typing: Typing, value: Json, gone: FieldSet, kept = EMPTY): Json | undefined =>
  gone.self ? undefined : removeInside(typing, value, gone, kept);
