import type { KubeObject } from "../../machinery/object.ts";
import { jsonEqual } from "../objects/equal.ts";
import { CorruptValueError } from "./errors.ts";
import type { Stored } from "./types.ts";

/**
 * The stored form of an object: JSON, keys sorted so that equal objects have equal texts, apiVersion, kind and metadata
 * first so that `renderStored` can insert the resourceVersion, which is not stored.
 */
export function encodeObject(object: KubeObject): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { resourceVersion: _, ...storedMetadata } = metadata;
  const head = `{"apiVersion":${JSON.stringify(apiVersion)},"kind":${JSON.stringify(kind)},"metadata":`;
  const body = encodeSorted(rest);
  return `${head}${encodeSorted(storedMetadata)}${body === "{}" ? "}" : `,${body.slice(1)}`}`;
}

function encodeSorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => encodeSorted(item ?? null)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  let text = "";
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${encodeSorted(member)}`;
  }
  return `{${text}}`;
}

/** Whether writing `object` over `stored` would change nothing but the revision. */
export function isUnchanged(stored: Stored, object: KubeObject): boolean {
  const { resourceVersion: _, ...metadata } = object.metadata;
  const { resourceVersion: _stored, ...storedMetadata } = stored.object.metadata;
  // Compared, not encoded: most writes change something, and that is found at once.
  return (
    jsonEqual(metadata, storedMetadata) &&
    jsonEqual({ ...object, metadata: null }, { ...stored.object, metadata: null })
  );
}

const HEAD = /^\{"apiVersion":"[^"\\]*","kind":"[^"\\]*","metadata":\{(?=")/;

/** The object as JSON text with its resourceVersion; does not parse what this API server wrote. */
export function renderStored(stored: Stored): string {
  const { value, revision } = stored;
  const head = HEAD.exec(value)?.[0];
  // A "resourceVersion" anywhere may be one of metadata's own: the long way replaces it.
  if (head === undefined || value.includes('"resourceVersion"')) return JSON.stringify(stored.object);
  return `${head}"resourceVersion":"${revision}",${value.slice(head.length)}`;
}

/** What is parsed takes about three times its text: beyond this much text, the oldest is parsed again when it is needed. */
const PARSED_BYTES = 2 ** 20;

/** A value as read from the store; the object is parsed when somebody asks for it, and kept as long as it is young. */
export class StoredValue implements Stored {
  /** Those that are parsed, oldest first. */
  static readonly #parsed = new Set<StoredValue>();
  static #parsedBytes = 0;

  readonly key: string;
  readonly revision: number;
  readonly value: string;
  #object: KubeObject | undefined;

  constructor(key: string, revision: number, value: string) {
    this.key = key;
    this.revision = revision;
    this.value = value;
  }

  get object(): KubeObject {
    if (this.#object === undefined) {
      this.#object = parseObject(this.key, this.revision, this.value);
      StoredValue.#keep(this);
    }
    return this.#object;
  }

  static #keep(young: StoredValue): void {
    StoredValue.#parsed.add(young);
    StoredValue.#parsedBytes += young.value.length;
    for (const old of StoredValue.#parsed) {
      if (StoredValue.#parsedBytes <= PARSED_BYTES || old === young) return;
      StoredValue.#parsed.delete(old);
      StoredValue.#parsedBytes -= old.value.length;
      old.#object = undefined;
    }
  }
}

/** The object, parsed for the caller alone: not kept in memory, where most objects are only ever passed on as text. */
export const readApart = ({ key, revision, value }: Stored): KubeObject => parseObject(key, revision, value);

function parseObject(key: string, revision: number, value: string): KubeObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (cause) {
    throw new CorruptValueError(key, { cause });
  }
  if (!isObject(parsed) || !isObject(parsed["metadata"])) throw new CorruptValueError(key);
  parsed["metadata"]["resourceVersion"] = String(revision);
  return parsed as KubeObject;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
