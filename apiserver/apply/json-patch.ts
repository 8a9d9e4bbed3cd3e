import { applyPatch } from "rfc6902";
import type { Json, JsonObject } from "../../machinery/object.ts";
import { MAX_DEPTH } from "../codec/json.ts";
import { ApiError, badRequest } from "../status.ts";
import { cloneJson, equalJson, isObject, member } from "./json-value.ts";

const MAX_OPERATIONS = 10_000;
/** What copy operations may add in all: without a bound a few dozen of them fill the memory. */
const MAX_COPIED_BYTES = 3 * 1024 * 1024;
const OPERATIONS = ["add", "remove", "replace", "move", "copy", "test"] as const;

interface Operation {
  readonly op: (typeof OPERATIONS)[number];
  readonly path: string;
  readonly from: string;
  readonly value: Json | undefined;
}

/**
 * Applies a JSON patch (RFC 6902) to a copy of `object`. Throws BadRequest for a malformed patch,
 * RequestEntityTooLarge for more than 10,000 operations, Invalid (422) when an operation does not fit the object.
 */
export function applyJsonPatch(object: JsonObject, patch: Json): JsonObject {
  const operations = parseOperations(patch);
  const holder: { object: Json } = { object: cloneJson(object) };
  let copiedBytes = 0;
  for (const operation of operations) {
    if (operation.op === "copy") copiedBytes += copySize(holder.object, operation);
    if (copiedBytes > MAX_COPIED_BYTES) throw copyTooLarge(copiedBytes);
    applyOne(holder, operation);
  }
  if (!isObject(holder.object)) throw rejected("the patch replaces the object with something that is no object");
  if (!withinDepth(holder.object, MAX_DEPTH)) throw rejected(`the patch nests values more than ${MAX_DEPTH} deep`);
  return holder.object;
}

/** Moves can nest deeper than any body may be; whoever walks the object later relies on the bound. */
function withinDepth(value: Json, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((item) => withinDepth(item, levels - 1));
}

function parseOperations(patch: Json): Operation[] {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch must be a list of operations");
  if (patch.length > MAX_OPERATIONS) {
    const message = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`;
    throw new ApiError("RequestEntityTooLarge", `Request entity too large: ${message}`);
  }
  return patch.map(parseOperation);
}

function parseOperation(raw: Json, index: number): Operation {
  if (!isObject(raw)) throw badRequest(`JSON patch operation ${index} must be an object`);
  const op = OPERATIONS.find((known) => known === raw.op);
  if (op === undefined) throw rejected(`Unexpected kind: ${typeof raw.op === "string" ? raw.op : "unknown"}`);
  const from = op === "move" || op === "copy" ? pointer(raw.from, "from", index) : "";
  // A missing value reads as null, as in kube-apiserver.
  return { op, path: pointer(raw.path, "path", index), from, value: raw.value ?? null };
}

function pointer(raw: Json | undefined, member: string, index: number): string {
  if (typeof raw !== "string") throw badRequest(`JSON patch operation ${index}: "${member}" must be a string`);
  if (raw !== "" && !raw.startsWith("/")) {
    throw badRequest(
      `JSON patch operation ${index}: "${member}" must be empty or start with "/": ${JSON.stringify(raw)}`,
    );
  }
  const forbidden = tokens(raw).find((token) => FORBIDDEN.has(token));
  if (forbidden !== undefined)
    throw badRequest(`field name ${JSON.stringify(forbidden)} is not allowed in a JSON patch`);
  return raw;
}

/** The pointer library steps over these, which would change another place than the one named. */
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

/** The reference tokens of a JSON pointer, unescaped. */
const tokens = (path: string): string[] =>
  path
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));

/** The value at a pointer; undefined when there is none. Only own members count, and only indexes into lists. */
function valueAt(document: Json | undefined, path: readonly string[]): Json | undefined {
  let value = document;
  for (const token of path) {
    if (Array.isArray(value)) value = /^(?:0|[1-9]\d*)$/.test(token) ? value[Number(token)] : undefined;
    else value = isObject(value) ? member(value, token) : undefined;
  }
  return value;
}

/** Whether the places that an operation needs are there; the library would find inherited members as well. */
function fits(document: Json, { op, path, from }: Operation): boolean {
  if ((op === "move" || op === "copy") && valueAt(document, tokens(from)) === undefined) return false;
  if (op === "remove" || op === "replace") return valueAt(document, tokens(path)) !== undefined;
  const parent = valueAt(document, tokens(path).slice(0, -1));
  return typeof parent === "object" && parent !== null;
}

/** The object stands under `/object`, so that the patch may replace the whole of it (path ""). */
function applyOne(holder: { object: Json }, operation: Operation): void {
  const { op, path, from, value } = operation;
  if (op === "move" && path.startsWith(`${from}/`)) {
    throw rejected(`error in move for path: '${path}': a value cannot be moved into itself`);
  }
  if (op === "remove" && path === "")
    throw rejected("error in remove for path: '': the object itself cannot be removed");
  if (!fits(holder.object, operation)) throw rejected(explain(operation));
  if (op === "test") {
    // Not by the library: it would compute the whole difference, in quadratic time. What is absent equals null, as in
    // kube-apiserver.
    if (!equalJson(valueAt(holder.object, tokens(path)) ?? null, value)) throw rejected(explain(operation));
    return;
  }
  const prefixed = { op, path: `/object${path}`, from: `/object${from}`, value };
  let error: Error | null | undefined;
  try {
    [error] = applyPatch(holder, [prefixed]);
  } catch (cause) {
    throw badRequest(
      `JSON patch ${op} ${JSON.stringify(path)}: ${cause instanceof Error ? cause.message : "malformed"}`,
    );
  }
  if (error) throw rejected(explain(operation));
}

function explain({ op, path, from }: Operation): string {
  if (op === "test") return `testing value ${path} failed: test failed`;
  const what = from === "" ? `path: ${path}` : `path: ${path} or from path: ${from}`;
  return `${op} operation does not apply: doc is missing ${what}: missing value`;
}

const copySize = (document: Json, { from }: Operation): number =>
  JSON.stringify(valueAt(document, tokens(from)) ?? null).length;

function copyTooLarge(bytes: number): ApiError {
  return rejected(
    `Unable to copy, the accumulated size increase of copy is ${bytes}, exceeding the limit ${MAX_COPIED_BYTES}`,
  );
}

function rejected(why: string): ApiError {
  return new ApiError("Invalid", `the server rejected our request due to an error in our request: ${why}`, {
    details: {},
  });
}
