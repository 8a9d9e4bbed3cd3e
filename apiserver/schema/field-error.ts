import type { Json } from "../../machinery/object.ts";
import type { FieldError } from "../status.ts";

/** Field path of an error that belongs to no field: what Go prints for a nil `*field.Path`. */
export const NO_FIELD = "<nil>";

export const childPath = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);
export const indexPath = (path: string, index: number): string => `${path}[${index}]`;
/** Path of a map entry where the source uses `Path.Key`. */
export const keyPath = (path: string, key: string): string => `${path}[${key}]`;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  '"': '\\"',
  "\\": "\\\\",
};

/** Go's strconv.Quote, which all of field.Error's texts go through. */
export function goQuote(text: string): string {
  const escaped = text.replace(/["\\]|[^\P{C}\u00ad]|[\u2028\u2029\u00a0]/gu, (char) => {
    const short = SHORT_ESCAPES[char];
    if (short !== undefined) return short;
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${escaped}"`;
}

/** JSON as encoding/json prints it: keys sorted, `<`, `>` and `&` escaped. Not for values deeper than a few hundred levels. */
export function goJson(value: unknown): string {
  return JSON.stringify(value, sortedKeys).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** `%v` of an int64 or a float64: integers in full, exponents with two digits at least. */
export const goNumber = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e21
    ? BigInt(value).toString()
    : String(value).replace(/e([+-])(\d)$/, "e$10$2");

function showValue(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "string") return goQuote(value);
  if (typeof value === "number") return goNumber(value);
  return typeof value === "object" ? goJson(value) : JSON.stringify(value);
}

const withDetail = (text: string, detail: string): string => (detail === "" ? text : `${text}: ${detail}`);

export const required = (field: string, detail = ""): FieldError => ({
  reason: "FieldValueRequired",
  field,
  message: withDetail("Required value", detail),
});

export const invalidValue = (field: string, value: unknown, detail: string): FieldError => ({
  reason: "FieldValueInvalid",
  field,
  message: withDetail(`Invalid value: ${showValue(value)}`, detail),
});

export const typeInvalid = (field: string, value: unknown, detail: string): FieldError => ({
  reason: "FieldValueTypeInvalid",
  field,
  message: withDetail(`Invalid value: ${showValue(value)}`, detail),
});

export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  reason: "FieldValueNotSupported",
  field,
  message: withDetail(
    `Unsupported value: ${showValue(value)}`,
    supported.length === 0 ? "" : `supported values: ${supported.map(goQuote).join(", ")}`,
  ),
});

export const duplicate = (field: string, value: unknown): FieldError => ({
  reason: "FieldValueDuplicate",
  field,
  message: `Duplicate value: ${showValue(value)}`,
});

export const forbidden = (field: string, detail: string): FieldError => ({
  reason: "FieldValueForbidden",
  field,
  message: withDetail("Forbidden", detail),
});

export const tooLong = (field: string, maxLength: number): FieldError => ({
  reason: "FieldValueTooLong",
  field,
  message: `Too long: may not be more than ${maxLength} ${maxLength === 1 ? "byte" : "bytes"}`,
});

export const tooMany = (field: string, actual: number, max: number): FieldError => ({
  reason: "FieldValueTooMany",
  field,
  message: `Too many: ${actual}: must have at most ${max} ${max === 1 ? "item" : "items"}`,
});

/** The JSON type of a value in the words of a schema. */
export function jsonType(value: unknown): "null" | "boolean" | "string" | "integer" | "number" | "array" | "object" {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  if (typeof value === "boolean" || typeof value === "string") return typeof value as "boolean" | "string";
  return "object";
}

export const isObject = (value: unknown): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
