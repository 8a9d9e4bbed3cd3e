import type { Json, JsonObject } from "../../machinery/object.ts";
import { badRequest } from "../status.ts";
import { cloneJson, isObject, member } from "./json-value.ts";

/**
 * Applies a JSON merge patch (RFC 7396): members are merged, null removes, lists and scalars are replaced. The result
 * shares nothing with either argument. Throws BadRequest when the patch is no object.
 */
export function applyMergePatch(object: JsonObject, patch: Json): JsonObject {
  if (!isObject(patch)) throw badRequest("Invalid JSON Patch: a merge patch must be an object");
  return merge(object, patch);
}

function merge(target: Json | undefined, patch: JsonObject): JsonObject {
  const merged: JsonObject = isObject(target) ? cloneJson(target) : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = isObject(value) ? merge(member(merged, key), value) : cloneJson(value);
  }
  return merged;
}
