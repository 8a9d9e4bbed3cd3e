import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from "yaml";
import type { Document, YAMLMap } from "yaml";
import type { Json } from "../../machinery/object.ts";
import { ApiError, badRequest } from "../status.ts";
import type { Decoded } from "./json.ts";
import { MAX_DEPTH, decodeJson } from "./json.ts";

/** Anchored nodes may be expanded this many times in all: enough for shared blocks, too few for a bomb. */
const MAX_ALIASES = 100;
/** Lines and flow elements; the largest CRDs have a third of it. */
const MAX_MARKS = 40_000;

/**
 * Decodes a YAML document into what the same document would be as JSON. A body that is JSON already (kubectl sends
 * JSON as apply-patch+yaml) takes the JSON path. Duplicates are reported as kube-apiserver does:
 * `line 3: key "size" already set in map`. Throws BadRequest for anything that has no JSON form.
 */
export function decodeYaml(body: Uint8Array): Decoded {
  if (firstCharacter(body) === 0x7b) return decodeJson(body);
  const lines = new LineCounter();
  const document = parseOne(new TextDecoder().decode(body), lines);
  const duplicates = findDuplicates(document, lines);
  const value = toJson(document);
  checkJson(value, 0, "");
  return { value, duplicates };
}

function firstCharacter(body: Uint8Array): number | undefined {
  return body.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
}

function parseOne(text: string, lineCounter: LineCounter): Document {
  checkExtent(text);
  const documents = parseAllDocuments(text, {
    lineCounter,
    uniqueKeys: false,
    merge: true,
    intAsBigInt: true,
    prettyErrors: false,
    logLevel: "silent",
  });
  if (!Array.isArray(documents)) return parseOne("null", lineCounter);
  const [first, second] = documents;
  if (first === undefined) throw badRequest("yaml: the body holds no document");
  if (second !== undefined) throw badRequest("yaml: the body holds more than one document");
  const [error] = first.errors;
  if (error !== undefined) {
    const line = lineCounter.linePos(error.pos[0]).line;
    throw badRequest(`yaml: line ${line}: ${error.message}`, { cause: error });
  }
  return first;
}

const tooDeep = () => badRequest(`exceeded max depth: objects may be nested ${MAX_DEPTH} deep`);

/**
 * Bounds the work before the parser starts, which takes some 10 us for each node and would hold up the whole server.
 * The marks that make nodes are counted wherever they stand, in text as well.
 */
function checkExtent(text: string): void {
  let open = 0;
  let marks = 0;
  for (const [mark] of text.matchAll(/[\n,[\]{}]/g)) {
    marks++;
    if (mark === "[" || mark === "{") open++;
    else if ((mark === "]" || mark === "}") && open > 0) open--;
    if (open > MAX_DEPTH) throw tooDeep();
    if (marks > MAX_MARKS) throw tooLarge();
  }
  if (/^(?:[ \t]|[-?:][ \t]){1025}/m.test(text)) throw tooDeep();
}

const tooLarge = () =>
  new ApiError(
    "RequestEntityTooLarge",
    `Request entity too large: YAML may have ${MAX_MARKS} lines and elements; send it as JSON, which may be larger`,
  );

function findDuplicates(document: Document, lines: LineCounter): string[] {
  const found = new Set<string>();
  visit(document, {
    Map(_, map: YAMLMap) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name) && found.size < 100) {
          found.add(`line ${lines.linePos(key.range?.[0] ?? 0).line}: key ${JSON.stringify(name)} already set in map`);
        }
        seen.add(name);
      }
    },
  });
  return [...found];
}

function toJson(document: Document): Json {
  rejectComplexKeys(document);
  try {
    return normalise(document.toJS({ maxAliasCount: MAX_ALIASES, mapAsMap: true }));
  } catch (cause) {
    if (cause instanceof RangeError) throw tooDeep();
    throw badRequest(`yaml: ${cause instanceof Error ? cause.message : "unreadable"}`, { cause });
  }
}

function rejectComplexKeys(document: Document): void {
  visit(document, {
    Pair(_, { key }) {
      if (isMap(key) || isSeq(key)) throw badRequest("yaml: keys must be plain scalars");
    },
  });
}

/** Maps to objects (own property even for `__proto__`), BigInt to number; what JSON cannot say is refused later. */
function normalise(value: unknown): Json {
  if (typeof value === "bigint") return exact(value);
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]): [string, Json] => [String(key), normalise(item)]);
    return Object.fromEntries(entries);
  }
  if (Array.isArray(value)) return value.map(normalise);
  return (value ?? null) as Json;
}

function exact(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) || String(number) === String(value)) return number;
  throw badRequest(`integer ${value} cannot be kept exactly: integers must be within ±9007199254740991`);
}

function checkJson(value: Json, depth: number, path: string): void {
  if (depth > MAX_DEPTH) throw tooDeep();
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw badRequest(`number at ${JSON.stringify(path)} has no JSON form: ${value}`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (key === "__proto__") throw badRequest(`field name "__proto__" is not allowed`);
    checkJson(item, depth + 1, path === "" ? key : `${path}.${key}`);
  }
}
