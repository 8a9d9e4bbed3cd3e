import { childPath, indexPath, isObject, jsonType } from "./field-error.ts";

/** What a field of metav1.ObjectMeta holds; a record describes a struct, `[x]` a list. */
type Shape =
  | "string"
  | "integer"
  | "boolean"
  | "time"
  | "strings"
  | "json"
  | { readonly [field: string]: Shape }
  | [Shape];

const OBJECT_META: { readonly [field: string]: Shape } = {
  name: "string",
  generateName: "string",
  namespace: "string",
  selfLink: "string",
  uid: "string",
  resourceVersion: "string",
  generation: "integer",
  creationTimestamp: "time",
  deletionTimestamp: "time",
  deletionGracePeriodSeconds: "integer",
  labels: "strings",
  annotations: "strings",
  finalizers: ["string"],
  ownerReferences: [
    {
      apiVersion: "string",
      kind: "string",
      name: "string",
      uid: "string",
      controller: "boolean",
      blockOwnerDeletion: "boolean",
    },
  ],
  managedFields: [
    {
      manager: "string",
      operation: "string",
      apiVersion: "string",
      time: "time",
      fieldsType: "string",
      fieldsV1: "json",
      subresource: "string",
    },
  ],
};

/**
 * Drops unknown and null fields of `parent.metadata` in place; unknown ones are added to `dropped`. What is left is as
 * metav1.ObjectMeta would print it, but for values of a wrong type, which `malformedMetadata` names.
 */
export function pruneObjectMeta(parent: Record<string, unknown>, path: string, dropped: string[]): void {
  if (parent["metadata"] === null) parent["metadata"] = {};
  pruneShape(parent["metadata"], OBJECT_META, path, dropped);
}

function pruneShape(value: unknown, shape: Shape, path: string, dropped: string[]): void {
  if (typeof shape === "string") return;
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return;
    value.forEach((item, index) => {
      pruneShape(item, shape[0], indexPath(path, index), dropped);
    });
    return;
  }
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const field = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (field !== undefined && value[key] !== null) {
      pruneShape(value[key], field, childPath(path, key), dropped);
      continue;
    }
    delete value[key];
    if (field === undefined) dropped.push(childPath(path, key));
  }
}

/**
 * Why `metadata` cannot be read as metav1.ObjectMeta, in the words of Go's JSON decoder, or undefined. A kube-apiserver
 * answers 400 with it before it looks at anything else.
 */
export function malformedMetadata(metadata: unknown): string | undefined {
  return misfit(metadata, OBJECT_META, "", "v1.ObjectMeta");
}

const GO_TYPES = { string: "string", integer: "int64", boolean: "bool" } as const;

function misfit(value: unknown, shape: Shape, at: string, struct: string): string | undefined {
  if (value === null || value === undefined || shape === "json") return undefined;
  if (shape === "time") return isTime(value) ? undefined : `invalid time ${JSON.stringify(value)} in ${struct}${at}`;
  if (shape === "strings") return everyEntry(value, "string", at, struct, "map[string]string");
  if (typeof shape === "string") {
    return jsonType(value) === shape ? undefined : cannot(value, at, struct, GO_TYPES[shape]);
  }
  if (Array.isArray(shape)) return everyItem(value, shape[0], at, struct);
  return everyField(value, shape, at, struct);
}

const cannot = (value: unknown, at: string, struct: string, goType: string): string => {
  const kind = { boolean: "bool", integer: "number" }[jsonType(value) as string] ?? jsonType(value);
  const where = at === "" ? "value" : `struct field ${struct.replace("v1.", "")}${at}`;
  return `json: cannot unmarshal ${kind} into Go ${where} of type ${goType}`;
};

function everyEntry(value: unknown, shape: Shape, at: string, struct: string, goType: string): string | undefined {
  if (!isObject(value)) return cannot(value, at, struct, goType);
  return firstDefined(Object.values(value), (entry) => misfit(entry, shape, at, struct));
}

function everyItem(value: unknown, shape: Shape, at: string, struct: string): string | undefined {
  if (!Array.isArray(value)) return cannot(value, at, struct, shape === "string" ? "[]string" : "[]struct");
  return firstDefined(value, (item) => misfit(item, shape, at, struct));
}

function everyField(
  value: unknown,
  shape: { readonly [field: string]: Shape },
  at: string,
  struct: string,
): string | undefined {
  if (!isObject(value)) return cannot(value, at, struct, struct);
  return firstDefined(Object.keys(value), (key) =>
    Object.hasOwn(shape, key) ? misfit(value[key], shape[key] ?? "json", `${at}.${key}`, struct) : undefined,
  );
}

function firstDefined<T>(values: readonly T[], find: (value: T) => string | undefined): string | undefined {
  for (const value of values) {
    const found = find(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
const isTime = (value: unknown): boolean =>
  typeof value === "string" && TIME.test(value) && !Number.isNaN(Date.parse(value));
