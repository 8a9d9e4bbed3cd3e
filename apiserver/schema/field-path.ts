import { childPath, keyPath } from "./field-error.ts";
import type { SchemaNode } from "./types.ts";

/** A path such as `.spec.color` or `.labels['a.b']`, followed through a schema. */
export interface ResolvedPath {
  /** As field errors print it: `spec.color`, `labels[a.b]`. */
  readonly path: string;
  readonly names: readonly string[];
  readonly schema: SchemaNode;
}

const TOKEN = /^(?:\.([^.[\]]+)|\['((?:\\.|[^'\\])*)'\])/;
const ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "'": "'",
  "\\": "\\",
};

/** Follows `text` through `schema`; throws an Error that says where it leaves it. */
export function resolveFieldPath(text: string, schema: SchemaNode): ResolvedPath {
  let at: ResolvedPath = { path: "", names: [], schema };
  for (let rest = text; rest !== ""; ) {
    const token = TOKEN.exec(rest);
    if (token === null) throw new Error(`expected [ or . but got: ${rest}`);
    at = descend(at, token[1] ?? unescape(token[2] ?? ""));
    rest = rest.slice(token[0].length);
  }
  return at;
}

function descend(at: ResolvedPath, name: string): ResolvedPath {
  const { properties, additionalProperties } = at.schema;
  const names = [...at.names, name];
  if (properties !== undefined) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property !== undefined) return { path: childPath(at.path, name), names, schema: property };
  } else if (typeof additionalProperties === "object") {
    return { path: keyPath(at.path, name), names, schema: additionalProperties };
  }
  throw new Error("does not refer to a valid field");
}

const unescape = (text: string): string =>
  text.replace(/\\(.)/gs, (whole, char: string) => {
    const plain = ESCAPES[char];
    if (plain === undefined) throw new Error(`invalid string literal: invalid escape char ${whole}`);
    return plain;
  });

/** What is wrong with `text` as a path through `schema`, or undefined. */
export function fieldPathProblem(text: string, schema: SchemaNode): string | undefined {
  try {
    resolveFieldPath(text, schema);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
