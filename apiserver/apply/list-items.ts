import type { Json } from "../../machinery/object.ts";
import { isObject, member } from "./json-value.ts";
import { keyElement, valueElement } from "./path-element.ts";
import type { Typing } from "./typing.ts";

/** A list whose items cannot be told apart by its schema: an item without its map key, an object in a set. */
export class UntypedListError extends Error {}

/**
 * The path element of every item of a `set` or `keyed` list, in order. Throws UntypedListError with the words of
 * structured-merge-diff when an item has none.
 */
export function itemElements(typing: Typing, list: readonly Json[], shape: "set" | "keyed"): string[] {
  return list.map((item, index) => (shape === "set" ? setElement(item, index) : keyedElement(typing, item, index)));
}

/** Like itemElements, but undefined for a list that has no path elements or the same one twice. */
export function uniqueElements(typing: Typing, list: readonly Json[], shape: "set" | "keyed"): string[] | undefined {
  try {
    const elements = itemElements(typing, list, shape);
    return new Set(elements).size === elements.length ? elements : undefined;
  } catch (error) {
    if (error instanceof UntypedListError) return undefined;
    throw error;
  }
}

function setElement(item: Json, index: number): string {
  if (typeof item !== "object" || item === null) return valueElement(item);
  throw new UntypedListError(
    `element ${index}: associative list without keys has an element that's a map or list type`,
  );
}

function keyedElement(typing: Typing, item: Json, index: number): string {
  if (!isObject(item))
    throw new UntypedListError(`element ${index}: associative list with keys may not have non-map elements`);
  const keys = typing?.["x-kubernetes-list-map-keys"] ?? [];
  return keyElement(
    keys.map((name) => {
      const value = member(item, name) ?? member(typing?.items?.properties, name)?.default;
      if (value !== undefined && value !== null) return [name, value];
      const what = `associative list with keys has an element that omits key field ${JSON.stringify(name)}`;
      throw new UntypedListError(`element ${index}: ${what} (and doesn't have default value)`);
    }),
  );
}
