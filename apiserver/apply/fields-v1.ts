import type { Json, JsonObject } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { EMPTY, fieldSet, isEmpty, LEAF, union } from "./field-set.ts";
import { isObject } from "./json-value.ts";
import { compareElements, parseElement } from "./path-element.ts";

/** Deeper sets are refused; objects themselves are no deeper. */
const MAX_DEPTH = 1024;

/** FieldsV1 (metav1): nested objects keyed by path element; `.` marks a path that is owned and has owned paths below. */
export function encodeFields(set: FieldSet): JsonObject {
  const encoded: JsonObject = {};
  for (const element of [...set.fields.keys()].sort(compareElements)) {
    const child = set.fields.get(element);
    if (child === undefined) continue;
    const below = encodeFields(child);
    encoded[element] = child.self && child.fields.size > 0 ? { ".": {}, ...below } : below;
  }
  return encoded;
}

/** Reads FieldsV1; undefined when it is not well-formed. */
export function decodeFields(encoded: Json | undefined, depth = 0): FieldSet | undefined {
  if (!isObject(encoded) || depth > MAX_DEPTH) return undefined;
  const names = Object.keys(encoded);
  if (names.length === 0) return depth === 0 ? EMPTY : LEAF;
  const fields = new Map<string, FieldSet>();
  let self = false;
  for (const name of names) {
    if (name === ".") {
      self = depth > 0;
      continue;
    }
    const element = parseElement(name);
    const child = decodeFields(encoded[name], depth + 1);
    if (element === undefined || child === undefined) return undefined;
    if (!isEmpty(child)) fields.set(element, union(fields.get(element) ?? EMPTY, child));
  }
  return fieldSet(self, fields);
}
