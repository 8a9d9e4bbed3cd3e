import type { Json, JsonObject, KubeObject } from "../../machinery/object.ts";
import { compare } from "./compare.ts";
import type { FieldSet } from "./field-set.ts";
import { difference, EMPTY, union } from "./field-set.ts";
import { isObject, member } from "./json-value.ts";
import { ownedPart } from "./owned.ts";
import { toFieldSet } from "./to-field-set.ts";
import type { ResetFields } from "./types.ts";
import type { Typing } from "./typing.ts";

const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";
/** All annotations together may have 256 KiB. */
const MAX_ANNOTATIONS_LENGTH = 256 * 1024;

/**
 * What client-side `kubectl apply` set and nobody changed since: server-side apply by kubectl may take it over without
 * a conflict, so that people can move from one to the other.
 */
export function allowedByLastApplied(typing: Typing, live: KubeObject, resetFields: ResetFields): FieldSet {
  const applied = parse(live.metadata.annotations?.[ANNOTATION]);
  if (applied === undefined) return EMPTY;
  const part = ownedPart(applied, resetFields);
  const { added, modified, removed } = compare(typing, ownedPart(live, resetFields), part);
  const same = difference(
    toFieldSet(typing, part, () => undefined),
    union(added, union(modified, removed)),
  );
  return same;
}

function parse(text: string | undefined): KubeObject | undefined {
  try {
    const value = JSON.parse(text ?? "null") as Json;
    return isObject(value) && isObject(value.metadata) ? (value as unknown as KubeObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps client-side kubectl's annotation in step with what kubectl applied on the server, where it is there already. */
export function syncLastApplied(merged: KubeObject, applied: KubeObject): KubeObject {
  const { annotations } = merged.metadata;
  if (member(annotations, ANNOTATION) === undefined || annotations?.[ANNOTATION] === "") return merged;
  const text = `${encodeSorted(withoutAnnotation(applied))}\n`;
  const others = Object.entries(annotations ?? {}).filter(([name]) => name !== ANNOTATION);
  const length = others.reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    ANNOTATION.length + text.length,
  );
  const kept = length > MAX_ANNOTATIONS_LENGTH ? "" : text;
  return { ...merged, metadata: { ...merged.metadata, annotations: { ...annotations, [ANNOTATION]: kept } } };
}

function withoutAnnotation(applied: KubeObject): JsonObject {
  const { managedFields: _, annotations, ...metadata } = applied.metadata;
  const { [ANNOTATION]: __, ...rest } = annotations ?? {};
  const kept = annotations === undefined ? metadata : { ...metadata, annotations: rest };
  return { ...applied, metadata: kept } as unknown as JsonObject;
}

/** As Go's encoder writes it: keys in order, and `<`, `>`, `&` escaped. */
function encodeSorted(value: Json): string {
  const sorted = JSON.stringify(value, (_, item: Json) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
  return sorted.replaceAll(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
