import { isDeepStrictEqual } from "node:util";
import type { FieldOwner } from "../client/api-object.ts";

/** Whether `actual` holds everything that is wanted. Lists must be equal, except conditions, which are by type. */
export function covers(actual: unknown, wanted: unknown, field = ""): boolean {
  if (Array.isArray(wanted) && field === "conditions") {
    const found = Array.isArray(actual) ? actual : [];
    return wanted.every((each) => found.some((other) => other.type === each.type && covers(other, each)));
  }
  if (!isRecord(wanted)) return isDeepStrictEqual(actual, wanted);
  if (!isRecord(actual)) return false;
  return Object.entries(wanted).every(([key, value]) => value === undefined || covers(actual[key], value, key));
}

/** What this manager has applied, as a field set; `undefined`: nothing. */
export function ownFields(
  entries: readonly FieldOwner[] | undefined,
  manager: string,
  subresource: "status" | "",
): Readonly<Record<string, unknown>> | undefined {
  const own = entries?.find(
    (entry) => entry.manager === manager && entry.operation === "Apply" && (entry.subresource ?? "") === subresource,
  );
  return isRecord(own?.fieldsV1) ? own.fieldsV1 : undefined;
}

/** Whether fields were applied that are not wanted any more: an apply takes them away. */
export const ownsMore = (fields: unknown, wanted: unknown): boolean => isRecord(fields) && leads(fields, wanted);

/** Whether the field set leads to something that the value lacks. Keys are `f:name`, `k:{"type":"Ready"}`, `v:1`, `.`. */
function leads(fields: Readonly<Record<string, unknown>>, value: unknown): boolean {
  return Object.entries(fields).some(([key, inner]) => {
    if (key === "." || !isRecord(inner)) return false;
    const next = step(key, value);
    return next === undefined || leads(inner, next);
  });
}

function step(key: string, value: unknown): unknown {
  const rest = key.slice(2);
  if (key.startsWith("f:")) return isRecord(value) ? value[rest] : undefined;
  if (!Array.isArray(value)) return undefined;
  const wanted: unknown = JSON.parse(rest);
  if (key.startsWith("v:")) return value.find((each) => isDeepStrictEqual(each, wanted));
  return value.find((each) => isRecord(wanted) && covers(each, wanted));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
