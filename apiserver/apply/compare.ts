import type { Json, JsonObject } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { EMPTY, fieldSet, LEAF } from "./field-set.ts";
import { equalJson, member } from "./json-value.ts";
import { itemElements, UntypedListError } from "./list-items.ts";
import { memberElement } from "./path-element.ts";
import type { Shape, Typing } from "./typing.ts";
import { memberTyping, shapeOf } from "./typing.ts";

/** How one object differs from another: disjoint sets of paths; containers that came or went are in them too. */
export interface Changes {
  readonly added: FieldSet;
  readonly removed: FieldSet;
  readonly modified: FieldSet;
}

const NO_CHANGES: Changes = { added: EMPTY, removed: EMPTY, modified: EMPTY };
const ADDED: Changes = { ...NO_CHANGES, added: LEAF };
const REMOVED: Changes = { ...NO_CHANGES, removed: LEAF };
const MODIFIED: Changes = { ...NO_CHANGES, modified: LEAF };

export const sameObject = (changes: Changes): boolean => changes === NO_CHANGES;

/** Compares two values of one type; an undefined side is absent, null is a value. Gives NO_CHANGES itself if equal. */
export function compare(typing: Typing, left: Json | undefined, right: Json | undefined): Changes {
  if (left === right) return NO_CHANGES;
  if (left === undefined) return whole(typing, right, ADDED);
  if (right === undefined) return whole(typing, left, REMOVED);
  const [before, after] = [shapeOf(typing, left), shapeOf(typing, right)];
  if (before === "leaf" && after === "leaf") return equalJson(left, right) ? NO_CHANGES : MODIFIED;
  if (size(left) + size(right) === 0) return before === after ? NO_CHANGES : MODIFIED;
  if (before === after && before !== "leaf") return compareInside(typing, left, right, before);
  if (left === null && after !== "leaf") return compareInside(typing, null, right, after);
  if (right === null && before !== "leaf") return compareInside(typing, left, null, before);
  const gone = before === "leaf" ? NO_CHANGES : compareInside(typing, left, null, before);
  const come = after === "leaf" ? NO_CHANGES : compareInside(typing, null, right, after);
  return { added: come.added, removed: gone.removed, modified: LEAF };
}

type Granular = Exclude<Shape, "leaf">;

/** How much a container holds; empty ones have no parts to compare. */
function size(value: Json): number {
  if (typeof value !== "object" || value === null) return 0;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** A value that is there on one side only: it and all that is in it. */
function whole(typing: Typing, value: Json | undefined, leaf: Changes): Changes {
  const shape = shapeOf(typing, value);
  if (value === undefined || shape === "leaf" || size(value) === 0) return leaf;
  if (leaf === ADDED) {
    const { added } = compareInside(typing, null, value, shape);
    return { ...NO_CHANGES, added: fieldSet(true, added.fields) };
  }
  const { removed } = compareInside(typing, value, null, shape);
  return { ...NO_CHANGES, removed: fieldSet(true, removed.fields) };
}

function compareInside(typing: Typing, left: Json, right: Json, shape: Granular): Changes {
  if (shape === "map") return compareMaps(typing, asMap(left), asMap(right));
  try {
    return compareLists(typing, asList(left), asList(right), shape);
  } catch (error) {
    if (!(error instanceof UntypedListError)) throw error;
    return equalJson(left, right) ? NO_CHANGES : MODIFIED; // an invalid list has no items, it changes as a whole
  }
}

const asMap = (value: Json): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
const asList = (value: Json): readonly Json[] => (Array.isArray(value) ? value : []);

function compareMaps(typing: Typing, left: JsonObject, right: JsonObject): Changes {
  const collected = new Collector();
  for (const key of Object.keys(left)) {
    const before = left[key];
    const after = member(right, key);
    if (before !== after) collected.put(memberElement(key), compare(memberTyping(typing, key), before, after));
  }
  for (const key of Object.keys(right)) {
    if (!Object.hasOwn(left, key)) {
      collected.put(memberElement(key), compare(memberTyping(typing, key), undefined, right[key]));
    }
  }
  return collected.changes();
}

function compareLists(typing: Typing, left: readonly Json[], right: readonly Json[], shape: "set" | "keyed"): Changes {
  const before = groupItems(typing, left, shape);
  const after = groupItems(typing, right, shape);
  const collected = new Collector();
  for (const [element, items] of before) {
    collected.put(element, compareItems(typing?.items, items, after.get(element) ?? []));
  }
  for (const [element, items] of after) {
    if (!before.has(element)) collected.put(element, compareItems(typing?.items, [], items));
  }
  return collected.changes();
}

function groupItems(typing: Typing, list: readonly Json[], shape: "set" | "keyed"): Map<string, Json[]> {
  const groups = new Map<string, Json[]>();
  for (const [i, element] of itemElements(typing, list, shape).entries()) {
    const group = groups.get(element);
    if (group === undefined) groups.set(element, [list[i] ?? null]);
    else group.push(list[i] ?? null);
  }
  return groups;
}

/** Items of the same element: duplicates, which a stored list may have, are compared as one leaf. */
function compareItems(typing: Typing, before: Json[], after: Json[]): Changes {
  if (before.length <= 1 && after.length <= 1) return compare(typing, before[0], after[0]);
  if (before.length === 0) return ADDED;
  if (after.length === 0) return REMOVED;
  return equalJson(before, after) ? NO_CHANGES : MODIFIED;
}

class Collector {
  readonly #added = new Map<string, FieldSet>();
  readonly #removed = new Map<string, FieldSet>();
  readonly #modified = new Map<string, FieldSet>();

  put(element: string, { added, removed, modified }: Changes): void {
    if (added !== EMPTY) this.#added.set(element, added);
    if (removed !== EMPTY) this.#removed.set(element, removed);
    if (modified !== EMPTY) this.#modified.set(element, modified);
  }

  changes(): Changes {
    if (this.#added.size + this.#removed.size + this.#modified.size === 0) return NO_CHANGES;
    return {
      added: fieldSet(false, this.#added),
      removed: fieldSet(false, this.#removed),
      modified: fieldSet(false, this.#modified),
    };
  }
}
