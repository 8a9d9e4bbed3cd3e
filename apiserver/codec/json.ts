import type { Json } from "../../machinery/object.ts";
import { badRequest } from "../status.ts";
import { scanJson } from "./json-scan.ts";

/** Objects nested deeper than this are refused: every later walk is recursive. kube-apiserver's limit is 10,000. */
export const MAX_DEPTH = 512;

export interface Decoded {
  readonly value: Json;
  /** `duplicate field "spec.size"`, as kube-apiserver reports them; the last value won. At most 100. */
  readonly duplicates: readonly string[];
}

const NONE: readonly string[] = [];

/**
 * Decodes a JSON document. The common case is one native parse and one count of the members; only a document that
 * differs from what it would be printed as (duplicate keys, huge numbers, too deep, malformed) is scanned character
 * by character. Throws BadRequest with Go's wording of syntax errors, since that is what users of kubectl know.
 * An integer that would come back rounded is refused: it would be stored as another number than was sent.
 */
export function decodeJson(body: Uint8Array): Decoded {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  const value = parse(text);
  const members = countMembers(value, 0);
  if (members !== undefined && members === countColons(text)) return { value, duplicates: NONE };
  return { value, duplicates: scanJson(text, MAX_DEPTH).duplicates };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    scanJson(text, MAX_DEPTH); // throws with the position's own words
    throw badRequest(`invalid JSON: ${cause instanceof Error ? cause.message : "unreadable"}`);
  }
}

/** The object members in a value; undefined when it holds something that needs the careful scan. */
function countMembers(value: Json, depth: number): number | undefined {
  if (typeof value === "number") return Math.abs(value) < Number.MAX_SAFE_INTEGER ? 0 : undefined;
  if (typeof value !== "object" || value === null) return 0;
  if (depth >= MAX_DEPTH) return undefined;
  return Array.isArray(value) ? countInList(value, depth) : countInObject(value, depth);
}

function countInList(list: readonly Json[], depth: number): number | undefined {
  let members = 0;
  for (const item of list) {
    const inside = countMembers(item, depth + 1);
    if (inside === undefined) return undefined;
    members += inside;
  }
  return members;
}

function countInObject(object: { readonly [key: string]: Json }, depth: number): number | undefined {
  let members = 0;
  for (const key of Object.keys(object)) {
    if (key === "__proto__") return undefined;
    const inside = countMembers(object[key] ?? null, depth + 1);
    if (inside === undefined) return undefined;
    members += 1 + inside;
  }
  return members;
}

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

/** Colons outside strings of a document that is known to be well-formed: one for each member, repeated or not. */
function countColons(text: string): number {
  let colons = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === COLON) colons++;
    else if (char === QUOTE) i = endOfString(text, i);
  }
  return colons;
}

/** Index of the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++;
  return slashes % 2 === 1;
}
