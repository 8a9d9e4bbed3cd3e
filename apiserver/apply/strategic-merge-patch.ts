import type { Json, JsonObject } from "../../machinery/object.ts";
import type { SchemaNode } from "../schema/types.ts";
import { badRequest } from "../status.ts";
import { cloneJson, isObject, member } from "./json-value.ts";
import { orderItems } from "./element-order.ts";
import type { Typing } from "./typing.ts";
import { memberTyping, rootTyping } from "./typing.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const ELEMENT_ORDER = "$setElementOrder/";
const DELETE_FROM_LIST = "$deleteFromPrimitiveList/";

/**
 * Applies a strategic merge patch (built-in kinds): like a merge patch, but lists with patch strategy `merge` are
 * merged by their merge key, and directives say what JSON cannot: `$patch: delete|replace|merge`, `$retainKeys`,
 * `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`. The result shares nothing with the arguments. Throws
 * BadRequest for a patch that does not fit.
 */
export function applyStrategicMergePatch(object: JsonObject, patch: Json, schema: SchemaNode): JsonObject {
  if (!isObject(patch)) throw badRequest("invalid JSON document: a strategic merge patch must be an object");
  return mergeMap(rootTyping(schema), object, patch, "");
}

function mergeMap(typing: Typing, target: JsonObject, patch: JsonObject, path: string): JsonObject {
  const directive = member(patch, DIRECTIVE);
  if (directive === "replace") return withoutDirectives(patch);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") throw unknownDirective(directive, path);
  const merged = { ...target };
  retainKeys(merged, patch, path);
  for (const key of Object.keys(patch)) {
    if (key.startsWith(DELETE_FROM_LIST)) deleteFromList(merged, key.slice(DELETE_FROM_LIST.length), patch[key], path);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(DELETE_FROM_LIST)) continue;
    if (key.startsWith(ELEMENT_ORDER)) continue;
    mergeMember(memberTyping(typing, key), merged, key, value, path === "" ? key : `${path}.${key}`);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(ELEMENT_ORDER)) setOrder(typing, target, merged, key.slice(ELEMENT_ORDER.length), value, patch);
  }
  // What no part of the patch has made anew is still the target's own.
  for (const [key, value] of Object.entries(merged)) if (value === target[key]) merged[key] = cloneJson(value);
  return merged;
}

function mergeMember(typing: Typing, merged: JsonObject, key: string, value: Json, path: string): void {
  const existing = member(merged, key);
  if (value === null) delete merged[key];
  else if (isObject(value)) {
    const replaces = !mergesMaps(typing) || !isObject(existing);
    const next = mergeMap(typing, replaces ? {} : existing, value, path);
    if (value[DIRECTIVE] === "delete") delete merged[key];
    else merged[key] = next;
  } else if (Array.isArray(value) && mergesLists(typing)) {
    merged[key] = mergeList(typing, Array.isArray(existing) ? existing : [], value, path);
  } else merged[key] = withoutListDirectives(value);
}

const strategies = (typing: Typing): readonly string[] => (typing?.["x-kubernetes-patch-strategy"] ?? "").split(",");

const mergesMaps = (typing: Typing): boolean =>
  !strategies(typing).includes("replace") && typing?.["x-kubernetes-map-type"] !== "atomic";

/** Lists merge by their own strategy, or where the schema says that their items can be told apart. */
function mergesLists(typing: Typing): boolean {
  if (typing?.["x-kubernetes-patch-strategy"] !== undefined) return strategies(typing).includes("merge");
  const listType = typing?.["x-kubernetes-list-type"];
  return listType === "set" || listType === "map";
}

/** The members that tell the items of a list apart; none for lists of scalars. */
function mergeKeys(typing: Typing): readonly string[] {
  const key = typing?.["x-kubernetes-patch-merge-key"];
  return key === undefined ? (typing?.["x-kubernetes-list-map-keys"] ?? []) : [key];
}

function mergeList(typing: Typing, target: readonly Json[], patch: readonly Json[], path: string): Json[] {
  const keys = mergeKeys(typing);
  if (patch.some((item) => isObject(item) && item[DIRECTIVE] === "replace")) {
    return patch.filter((item) => !(isObject(item) && item[DIRECTIVE] === "replace")).map((item) => cloneJson(item));
  }
  return keys.length === 0 ? addScalars(target, patch, path) : mergeItems(typing, target, patch, path);
}

function addScalars(target: readonly Json[], patch: readonly Json[], path: string): Json[] {
  const merged = target.map((item) => cloneJson(item));
  const present = new Set(target);
  for (const item of patch) {
    if (isObject(item) || Array.isArray(item)) throw badRequest(`${path}: invalid patch format of primitive list`);
    if (!present.has(item)) merged.push(item);
    present.add(item);
  }
  return merged;
}

/** Items by their merge key, in order. A stored list may hold one key more than once: the first is merged. */
function mergeItems(typing: Typing, target: readonly Json[], patch: readonly Json[], path: string): Json[] {
  const keys = mergeKeys(typing);
  const identity = (item: Json) =>
    JSON.stringify(keys.map((key) => (isObject(item) ? (member(item, key) ?? null) : null)));
  const groups = new Map<string, Json[]>();
  for (const item of target) {
    const group = groups.get(identity(item));
    if (group === undefined) groups.set(identity(item), [cloneJson(item)]);
    else group.push(cloneJson(item));
  }
  for (const item of patch) {
    requireKeys(item, keys, path);
    const [first, ...others] = groups.get(identity(item)) ?? [];
    if (item[DIRECTIVE] === "delete") groups.delete(identity(item));
    else groups.set(identity(item), [mergeMap(typing?.items, isObject(first) ? first : {}, item, path), ...others]);
  }
  return [...groups.values()].flat(1);
}

function requireKeys(item: Json, keys: readonly string[], path: string): asserts item is JsonObject {
  if (!isObject(item)) throw badRequest(`${path}: a list of objects cannot be merged with ${JSON.stringify(item)}`);
  const missing = keys.find((key) => !Object.hasOwn(item, key));
  if (missing === undefined) return;
  throw badRequest(`${path}: map: ${JSON.stringify(item)} does not contain declared merge key: ${missing}`);
}

function retainKeys(merged: JsonObject, patch: JsonObject, path: string): void {
  const retain = member(patch, RETAIN_KEYS);
  if (retain === undefined) return;
  if (!Array.isArray(retain)) throw badRequest(`${path}: invalid patch format of retainKeys`);
  const wrong = Object.keys(patch).find((key) => !key.startsWith("$") && patch[key] !== null && !retain.includes(key));
  if (wrong !== undefined)
    throw badRequest(`${path}: invalid patch format of retainKeys: it does not list ${JSON.stringify(wrong)}`);
  for (const key of Object.keys(merged)) if (!retain.includes(key)) delete merged[key];
}

function deleteFromList(merged: JsonObject, key: string, gone: Json | undefined, path: string): void {
  if (!Array.isArray(gone)) throw badRequest(`${path}: invalid patch format of primitive list`);
  const list = member(merged, key);
  const unwanted = new Set(gone);
  if (Array.isArray(list)) merged[key] = cloneJson(list.filter((item) => !unwanted.has(item)));
}

function setOrder(
  typing: Typing,
  target: JsonObject,
  merged: JsonObject,
  key: string,
  order: Json,
  patch: JsonObject,
): void {
  if (!Array.isArray(order)) throw badRequest(`${key}: invalid patch format of setElementOrder list`);
  const list = member(merged, key);
  const listTyping = memberTyping(typing, key);
  if (!Array.isArray(list) || !mergesLists(listTyping)) return;
  const live = member(target, key);
  const replaced =
    Array.isArray(patch[key]) && patch[key].some((item) => isObject(item) && item[DIRECTIVE] === "replace");
  if (!replaced)
    merged[key] = orderItems(cloneJson(list), order, Array.isArray(live) ? live : [], mergeKeys(listTyping));
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return cloneJson(Object.fromEntries(Object.entries(patch).filter(([key]) => key !== DIRECTIVE)));
}

/** A list that replaces another may still say so by a directive item, which is not an item. */
function withoutListDirectives(value: Json): Json {
  if (!Array.isArray(value)) return value;
  return value.filter((item) => !(isObject(item) && item[DIRECTIVE] === "replace")).map((item) => cloneJson(item));
}

function unknownDirective(directive: Json, path: string) {
  return badRequest(`${path === "" ? "" : `${path}: `}Unknown patch type found: ${JSON.stringify(directive)}`);
}
