import type { FieldError } from "../status.ts";
import { childPath, indexPath, invalidValue, isObject, keyPath, required } from "./field-error.ts";
import { dns1035LabelProblem, objectMetaErrors } from "./meta-rules.ts";
import type { Node } from "./node.ts";
import { metadataShapeError } from "./object-meta.ts";

/** `apiVersion`, `kind` and `metadata` of embedded resources; the object's own are the API server's business. */
export function checkEmbedded(value: unknown, node: Node, path = ""): FieldError[] {
  if (Array.isArray(value)) {
    const { items } = node;
    return items === undefined ? [] : value.flatMap((item, i) => checkEmbedded(item, items, indexPath(path, i)));
  }
  if (!isObject(value)) return [];
  const own = node.embedded ? checkResource(value, path) : [];
  const children = Object.entries(value).flatMap(([key, child]) => {
    const property = node.properties.get(key);
    if (property !== undefined) return checkEmbedded(child, property, childPath(path, key));
    return typeof node.additional === "object" ? checkEmbedded(child, node.additional, keyPath(path, key)) : [];
  });
  return [...own, ...children];
}

function checkResource(value: Record<string, unknown>, path: string): FieldError[] {
  return [
    ...checkName(value, "apiVersion", path, groupVersionProblem),
    ...checkName(value, "kind", path, kindProblem),
    ...(Object.hasOwn(value, "metadata") ? checkMetadata(value["metadata"], childPath(path, "metadata")) : []),
  ];
}

function checkName(
  value: Record<string, unknown>,
  field: string,
  path: string,
  problem: (text: string) => string | undefined,
): FieldError[] {
  const at = childPath(path, field);
  if (!Object.hasOwn(value, field)) return [required(at)];
  const text = value[field];
  if (typeof text !== "string") return [invalidValue(at, text, "must be a string")];
  if (text === "") return [invalidValue(at, text, "must not be empty")];
  const detail = problem(text);
  return detail === undefined ? [] : [invalidValue(at, text, detail)];
}

const groupVersionProblem = (text: string): string | undefined =>
  text.split("/").length > 2 ? `unexpected GroupVersion string: ${text}` : undefined;

function kindProblem(text: string): string | undefined {
  const problem = dns1035LabelProblem(text.toLowerCase());
  return problem === undefined ? undefined : `may have mixed case, but should otherwise match: ${problem}`;
}

function checkMetadata(metadata: unknown, path: string): FieldError[] {
  const malformed = metadataShapeError(metadata, path);
  if (malformed !== undefined) return [malformed];
  return isObject(metadata) ? objectMetaErrors(metadata, path) : [];
}
