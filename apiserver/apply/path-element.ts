import type { Json, JsonObject } from "../../machinery/object.ts";
import { isObject } from "./json-value.ts";

/**
 * A path element in the encoding of FieldsV1: `f:name` a member, `k:{"name":"a"}` an item of a keyed list,
 * `v:"x"` an item of a set, `i:0` an index. Keys are sorted and values are compact JSON, so that equal elements are
 * equal strings.
 */
export const memberElement = (name: string): string => `f:${name}`;
export const valueElement = (value: Json): string => `v:${canonical(value)}`;

export function keyElement(fields: readonly (readonly [string, Json])[]): string {
  const sorted = fields.length > 1 ? [...fields].sort(([a], [b]) => (a < b ? -1 : 1)) : fields;
  return `k:{${sorted.map(([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`).join(",")}}`;
}

/** The element in its canonical spelling; undefined when it is none. Clients may write managedFields themselves. */
export function parseElement(text: string): string | undefined {
  const content = text.slice(2);
  switch (text.slice(0, 2)) {
    case "f:":
      return text;
    case "i:":
      return /^(?:0|[1-9]\d{0,8})$/.test(content) ? text : undefined;
    case "v:": {
      const value = parseJson(content);
      return value === undefined ? undefined : valueElement(value);
    }
    case "k:": {
      const key = parseJson(content);
      return isObject(key) && Object.keys(key).length > 0 ? keyElement(Object.entries(key)) : undefined;
    }
    default:
      return undefined;
  }
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** As people see it in conflicts: `.name`, `[name="a",port=80]`, `[="x"]`, `[0]`. */
export function displayElement(element: string): string {
  const content = element.slice(2);
  switch (element.charAt(0)) {
    case "f":
      return `.${content}`;
    case "k": {
      const fields = Object.entries(JSON.parse(content) as JsonObject);
      return `[${fields.map(([name, value]) => `${name}=${canonical(value)}`).join(",")}]`;
    }
    case "v":
      return `[=${content}]`;
    default:
      return `[${content}]`;
  }
}

const RANK = new Map(["f", "k", "v", "i"].map((kind, rank) => [kind, rank]));

/** Members first, then keyed items, values, indexes; each in the order of their text. */
export function compareElements(a: string, b: string): number {
  const rank = (RANK.get(a.charAt(0)) ?? 4) - (RANK.get(b.charAt(0)) ?? 4);
  if (rank !== 0) return rank;
  if (a.startsWith("i:")) return Number(a.slice(2)) - Number(b.slice(2));
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`);
  return `{${members.join(",")}}`;
}
