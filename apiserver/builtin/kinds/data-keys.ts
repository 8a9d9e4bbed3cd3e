import type { FieldError } from "../../status.ts";
import { forbidden, immutable, invalidValue, tooLong } from "../field-errors.ts";

/** Sum of keys' values that a ConfigMap or Secret may hold (core/v1 MaxSecretSize). */
export const MAX_DATA_BYTES = 1024 * 1024;
const MAX_KEY_LENGTH = 253;
const KEY = /^[-._a-zA-Z0-9]+$/;

/** Keys are file names in the making: no slash, not `.` or `..`. */
export function validateKey(field: string, key: string): readonly FieldError[] {
  if (key.length > MAX_KEY_LENGTH)
    return [invalidValue(field, key, `must be no more than ${MAX_KEY_LENGTH} characters`)];
  if (!KEY.test(key)) {
    const detail =
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    return [invalidValue(field, key, detail)];
  }
  if (key === "." || key.startsWith("..")) return [invalidValue(field, key, "must not be '.' or start with '..'")];
  return [];
}

/** Bytes behind base64. NaN never comes out: what is not base64 has failed the schema already. */
export const decodedBytes = (base64: string): number => Buffer.byteLength(base64, "base64");

export const sizeError = (totalBytes: number): readonly FieldError[] =>
  totalBytes > MAX_DATA_BYTES ? [tooLong("", MAX_DATA_BYTES)] : [];

/** Once `immutable` is true, neither it nor the data changes again. */
export function immutableErrors(
  old: Readonly<Record<string, unknown>> | undefined,
  object: Readonly<Record<string, unknown>>,
  fields: readonly string[],
): readonly FieldError[] {
  if (old?.["immutable"] !== true) return [];
  const text = "field is immutable when `immutable` is set";
  const errors = fields.filter((field) => !sameMap(old[field], object[field])).map((field) => forbidden(field, text));
  return object["immutable"] === true ? errors : [...errors, forbidden("immutable", text)];
}

function sameMap(left: unknown, right: unknown): boolean {
  const a = (left ?? {}) as Record<string, unknown>;
  const b = (right ?? {}) as Record<string, unknown>;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

export const typeChanged = (old: unknown, now: unknown): readonly FieldError[] =>
  old === now ? [] : [immutable("type", now)];
