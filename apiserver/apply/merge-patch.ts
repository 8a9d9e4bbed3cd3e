import type { Json, JsonObject } from "../../machinery/object.ts";
import { badRequest } from "../status.ts";
import { cloneJson, isObject } from "./json-value.ts";

/**
 * Applies a JSON merge patch (RFC 7396): members are merged, null removes, lists and scalars are replaced. The result
 * shares nothing with either argument. Throws BadRequest when the patch is no object.
 */
export function applyMergePatch(object: JsonObject, patch: Json): JsonObject {
  if (!isObject(patch)) throw badRequest("Invalid JSON Patch: a merge patch must be an object");
  return merge(object, patch);
}

/** Copies each part once: what the patch does not name is cloned, what it names is made anew. */
function merge(target: Json | undefined, patch: JsonObject): JsonObject {
  const merged: JsonObject = {};
  for (const [key, value] of Object.entries(isObject(target) ? target : {})) {
    if (!Object.hasOwn(patch, key)) merged[key] = cloneJson(value);
    else if (patch[key] !== null) merged[key] = replace(value, patch[key] ?? null);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (value !== null && !Object.hasOwn(merged, key)) merged[key] = replace(undefined, value);
  }
  return merged;
}

const replace = (target: Json | undefined, patch: Json): Json =>
  isObject(patch) ? merge(target, patch) : cloneJson(patch);
