import { matchesFields, parseFieldSelector } from "../../machinery/field-selector.ts";
import { parseLabelSelector } from "../../machinery/label-selector-parser.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { matchesLabels, SelectorError } from "../../machinery/selectors.ts";
import type { Resource } from "../registry/types.ts";
import { badRequest } from "../status.ts";

/** Label and field selector of one request. */
export interface Selection {
  /** True when there is no selector at all. */
  readonly everything: boolean;
  readonly matches: (object: KubeObject) => boolean;
}

const UNIVERSAL = ["metadata.name", "metadata.namespace"];

/** Reads `labelSelector` and `fieldSelector`. Throws BadRequest; also for a field that the resource cannot select by. */
export function parseSelection(query: URLSearchParams, resource: Resource): Selection {
  const labels = atTheDoor(() => parseLabelSelector(query.get("labelSelector") ?? ""));
  const fields = atTheDoor(() => parseFieldSelector(query.get("fieldSelector") ?? ""));
  const known = new Set([...UNIVERSAL, ...resource.selectableFields]);
  const unknown = fields.find(({ field }) => !known.has(field));
  if (unknown !== undefined) throw badRequest(`field label not supported: ${unknown.field}`);
  const names = fields.map(({ field }) => field);
  return {
    everything: labels.length === 0 && fields.length === 0,
    matches: (object) =>
      matchesLabels(labels, object.metadata.labels) &&
      (names.length === 0 || matchesFields(fields, selectedFields(object, names))),
  };
}

function atTheDoor<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof SelectorError ? badRequest(error.message) : error;
  }
}

const selectedFields = (object: KubeObject, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, fieldText(object, name)]));

/** A field as selectors see it: text; absent, null and composite values read as empty. */
function fieldText(object: KubeObject, field: string): string {
  let value: unknown = object;
  for (const part of field.split(".")) {
    if (typeof value !== "object" || value === null) return "";
    value = (value as Record<string, unknown>)[part];
  }
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" || typeof value === "bigint" ? String(value) : "";
}
