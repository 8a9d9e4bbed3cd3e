import { childPath, indexPath, isObject, jsonType, keyPath, typeInvalid } from "./field-error.ts";
import type { FieldError } from "../status.ts";
import { getOwn } from "./node.ts";

/**
 * The Go type that a kube-apiserver decodes a part of an object into. Shapes may refer to themselves, which a SchemaNode
 * cannot: that is what describes a schema inside a CRD.
 */
export type Shape =
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "time"
  | "json"
  | { readonly struct: string; readonly fields: Readonly<Record<string, Shape>> }
  | { readonly list: Shape }
  | { readonly map: Shape }
  | { readonly either: readonly [Shape, Shape] };

/** Drops what a shape does not name and nulls, in place; unknown fields are added to `dropped`. */
export function pruneShape(value: unknown, shape: Shape, path: string, dropped: string[]): void {
  if (typeof shape === "string") return;
  if ("either" in shape) pruneShape(value, choose(value, shape.either), path, dropped);
  else if ("list" in shape) {
    if (!Array.isArray(value)) return;
    value.forEach((item, index) => {
      pruneShape(item, shape.list, indexPath(path, index), dropped);
    });
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) pruneField(value, key, shape, path, dropped);
  }
}

function pruneField(
  object: Record<string, unknown>,
  key: string,
  shape: Exclude<Shape, string | { list: Shape } | { either: unknown }>,
  path: string,
  dropped: string[],
): void {
  const isMap = "map" in shape;
  const at = isMap ? keyPath(path, key) : childPath(path, key);
  const field = isMap ? shape.map : (getOwn(shape.fields, key) as Shape | undefined);
  if (field !== undefined && object[key] !== null) {
    pruneShape(object[key], field, at, dropped);
    return;
  }
  delete object[key];
  if (field === undefined) dropped.push(at);
}

const choose = (value: unknown, [first, second]: readonly [Shape, Shape]): Shape =>
  fits(value, first) ? first : second;

const JSON_TYPES = { string: ["string"], integer: ["integer"], number: ["integer", "number"], boolean: ["boolean"] };

/** Whether the value itself, not what is inside it, is of a shape. */
function fits(value: unknown, shape: Shape): boolean {
  if (shape === "json") return true;
  if (shape === "time") return isTime(value);
  if (typeof shape === "string") return JSON_TYPES[shape].includes(jsonType(value));
  if ("either" in shape) return shape.either.some((one) => fits(value, one));
  return "list" in shape ? Array.isArray(value) : isObject(value);
}

interface Misfit {
  readonly path: string;
  readonly value: unknown;
  readonly detail: string;
}

/** The first place where `value` is of another shape, as a field error. */
export function shapeError(value: unknown, shape: Shape, path: string): FieldError | undefined {
  const misfit = findMisfit(value, shape, path);
  return misfit === undefined ? undefined : typeInvalid(misfit.path, misfit.value, misfit.detail);
}

/** The same as a sentence, in the words of Go's JSON decoder. */
export const shapeProblem = (value: unknown, shape: Shape, path: string): string | undefined =>
  findMisfit(value, shape, path)?.detail;

function findMisfit(value: unknown, shape: Shape, path: string): Misfit | undefined {
  if (value === null || value === undefined || shape === "json") return undefined;
  if (!fits(value, shape)) return { path, value, detail: misfitText(value, shape, path) };
  if (typeof shape === "string") return undefined;
  if ("either" in shape) return findMisfit(value, choose(value, shape.either), path);
  for (const [at, child, childShape] of children(value, shape, path)) {
    const isNullItem = child === null && "list" in shape && shape.list !== "json";
    if (isNullItem) return { path: at, value: null, detail: `${at} must not be null` };
    const misfit = findMisfit(child, childShape, at);
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}

function children(value: object, shape: Exclude<Shape, string>, path: string): readonly [string, unknown, Shape][] {
  if ("list" in shape) return Object.values(value).map((item, i) => [indexPath(path, i), item, shape.list]);
  return Object.entries(value).map(([key, child]) =>
    "map" in shape
      ? [keyPath(path, key), child, shape.map]
      : [childPath(path, key), child, "fields" in shape ? fieldShape(shape.fields, key) : "json"],
  );
}

const fieldShape = (fields: Readonly<Record<string, Shape>>, key: string): Shape =>
  Object.hasOwn(fields, key) ? (fields[key] ?? "json") : "json";

const GO_KINDS: Readonly<Record<string, string>> = { boolean: "bool", integer: "number" };
const GO_TYPES: Readonly<Record<string, string>> = { integer: "int64", number: "float64", boolean: "bool" };

function misfitText(value: unknown, shape: Shape, path: string): string {
  if (shape === "time") return `parsing time ${JSON.stringify(value)}: must be RFC 3339, such as 2006-01-02T15:04:05Z`;
  const kind = jsonType(value);
  return `json: cannot unmarshal ${GO_KINDS[kind] ?? kind} into Go struct field ${path} of type ${goType(shape)}`;
}

function goType(shape: Shape): string {
  if (typeof shape === "string") return GO_TYPES[shape] ?? shape;
  if ("either" in shape) return shape.either.map(goType).join(" or ");
  if ("list" in shape) return `[]${goType(shape.list)}`;
  return "map" in shape ? `map[string]${goType(shape.map)}` : shape.struct;
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
const isTime = (value: unknown): boolean =>
  typeof value === "string" && TIME.test(value) && !Number.isNaN(Date.parse(value));
