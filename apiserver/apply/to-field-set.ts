import type { Json, JsonObject } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { EMPTY, fieldSet, LEAF, union } from "./field-set.ts";
import { itemElements, UntypedListError } from "./list-items.ts";
import { displayElement, memberElement } from "./path-element.ts";
import type { Typing } from "./typing.ts";
import { isNamed, memberTyping, shapeOf } from "./typing.ts";

/**
 * The paths that whoever applies `value` owns: leaves, empty containers, list items, and members of maps; named
 * members only through what is in them (structured-merge-diff). `problem` hears of lists that have no such paths.
 */
export function toFieldSet(
  typing: Typing,
  value: Json,
  problem: (path: string, text: string) => void,
  path = "",
): FieldSet {
  const shape = shapeOf(typing, value);
  if (shape === "leaf") return LEAF;
  if (shape === "map") return mapFields(typing, value as JsonObject, problem, path);
  return listFields(typing, value as Json[], shape, problem, path);
}

type Problem = (path: string, text: string) => void;

function mapFields(typing: Typing, map: JsonObject, problem: Problem, path: string): FieldSet {
  const fields = new Map<string, FieldSet>();
  for (const key of Object.keys(map)) {
    const value = map[key] ?? null;
    const inside = toFieldSet(memberTyping(typing, key), value, problem, `${path}.${key}`);
    const self = inside.self || !isNamed(typing, key) || isEmptyMap(value);
    if (self || inside.fields.size > 0) fields.set(memberElement(key), fieldSet(self, inside.fields));
  }
  return fieldSet(false, fields);
}

const isEmptyMap = (value: Json): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

function listFields(typing: Typing, list: Json[], shape: "set" | "keyed", problem: Problem, path: string): FieldSet {
  const elements = elementsOrProblem(typing, list, shape, problem, path);
  if (elements === undefined) return LEAF;
  // An empty list is owned as such, unlike in structured-merge-diff: there it comes and goes with every other apply.
  if (elements.length === 0) return LEAF;
  const fields = new Map<string, FieldSet>();
  for (const [i, element] of elements.entries()) {
    const shown = displayElement(element);
    const inside = shape === "set" ? EMPTY : toFieldSet(typing?.items, list[i] ?? null, problem, path + shown);
    const known = fields.get(element);
    if (known !== undefined) problem(path, `duplicate entries for key ${shown}`);
    fields.set(element, union(known ?? LEAF, inside));
  }
  return fieldSet(false, fields);
}

function elementsOrProblem(typing: Typing, list: Json[], shape: "set" | "keyed", problem: Problem, path: string) {
  try {
    return itemElements(typing, list, shape);
  } catch (error) {
    if (!(error instanceof UntypedListError)) throw error;
    problem(path, error.message);
    return undefined;
  }
}
