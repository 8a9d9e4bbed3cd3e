import type { FieldError } from "../status.ts";
import { childPath, forbidden, indexPath, invalidValue, keyPath, notSupported, required } from "./field-error.ts";
import { fieldPathProblem } from "./field-path.ts";
import { subSchemas } from "./schema-walk.ts";
import type { SchemaNode, ValidationRule } from "./types.ts";

/** Where in a schema the walk is, as far as the rules depend on it. */
interface Place {
  readonly isRoot: boolean;
  readonly isInMeta: boolean;
  /** Why defaults may not be set here. */
  readonly noDefaults?: string;
}

const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
const META = new Set(["metadata", "kind", "apiVersion"]);

/** Rules for CRD schemas beyond structure (apiextensions `validation.go`), with its texts. */
export function schemaErrors(schema: SchemaNode, path: string): FieldError[] {
  const nullable =
    schema.nullable === true ? [forbidden(childPath(path, "nullable"), "nullable cannot be true at the root")] : [];
  return [...nullable, ...walk(schema, path, { isRoot: true, isInMeta: false })];
}

function walk(schema: SchemaNode, path: string, place: Place): FieldError[] {
  const own = [
    ...keywordErrors(schema, path, place),
    ...mapTypeErrors(schema, path),
    ...listTypeErrors(schema, path),
    ...mapListErrors(schema, path),
    ...(schema["x-kubernetes-validations"] ?? []).flatMap((rule, i) =>
      ruleErrors(rule, schema, indexPath(childPath(path, "x-kubernetes-validations"), i)),
    ),
  ];
  return [
    ...own,
    ...subSchemas(schema, path).flatMap((sub) =>
      walk(sub.schema, sub.path, placeOf(sub.role, sub.name, schema, place)),
    ),
  ];
}

function placeOf(role: string, name: string | undefined, parent: SchemaNode, place: Place): Place {
  const inside = { ...place, isRoot: false };
  if (role === "additionalProperties" && place.isInMeta) {
    return { ...inside, noDefaults: "inside additionalProperties applying to object metadata" };
  }
  const isResource = place.isRoot || parent["x-kubernetes-embedded-resource"] === true;
  if (role !== "property" || name === undefined || !isResource || !META.has(name)) return inside;
  return { ...inside, isInMeta: true, ...(place.isRoot ? { noDefaults: `in top-level ${name}` } : {}) };
}

const UNSUPPORTED = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] as const;

function keywordErrors(schema: SchemaNode, path: string, place: Place): FieldError[] {
  const errors: FieldError[] = [];
  const at = (name: string): string => childPath(path, name);
  const raw = schema as Readonly<Record<string, unknown>>;
  if (schema.type === "null") {
    errors.push(forbidden(at("type"), "type cannot be set to null, use nullable as an alternative"));
  } else if (schema.type !== undefined && schema.type !== "" && !TYPES.includes(schema.type)) {
    errors.push(notSupported(at("type"), schema.type, TYPES));
  }
  if (schema.default !== undefined && schema.default !== null && place.noDefaults !== undefined) {
    errors.push(forbidden(at("default"), `must not be set ${place.noDefaults}`));
  }
  for (const name of UNSUPPORTED)
    if (raw[name] !== undefined) errors.push(forbidden(at(name), `${name} is not supported`));
  if (place.isInMeta && schema["x-kubernetes-embedded-resource"] === true) {
    errors.push(forbidden(at("x-kubernetes-embedded-resource"), "must not be used inside of resource meta"));
  }
  if (schema.uniqueItems === true) {
    errors.push(
      forbidden(at("uniqueItems"), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
    );
  }
  if (isMixed(schema)) {
    errors.push(forbidden(at("additionalProperties"), "additionalProperties and properties are mutual exclusive"));
  }
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    errors.push(invalidValue(at("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined"));
  }
  return errors;
}

const isMixed = (schema: SchemaNode): boolean =>
  schema.additionalProperties !== undefined &&
  schema.additionalProperties !== true &&
  Object.keys(schema.properties ?? {}).length > 0;

function needsType(schema: SchemaNode, type: string, because: string, path: string): FieldError[] {
  if (schema.type === type) return [];
  const detail = `must be ${type} if ${because} is specified`;
  const at = childPath(path, "type");
  return [
    schema.type === undefined || schema.type === "" ? required(at, detail) : invalidValue(at, schema.type, detail),
  ];
}

function mapTypeErrors(schema: SchemaNode, path: string): FieldError[] {
  const type: string | undefined = schema["x-kubernetes-map-type"];
  if (type === undefined) return [];
  const errors = needsType(schema, "object", "x-kubernetes-map-type", path);
  if (type === "atomic" || type === "granular") return errors;
  return [...errors, notSupported(childPath(path, "x-kubernetes-map-type"), type, ["atomic", "granular"])];
}

function listTypeErrors(schema: SchemaNode, path: string): FieldError[] {
  const at = childPath(path, "x-kubernetes-list-type");
  const type: string | undefined = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const errors: FieldError[] = [];
  const detail = "must be map if x-kubernetes-list-map-keys is non-empty";
  if (keys.length > 0 && type === undefined) errors.push(required(at, detail));
  if (keys.length > 0 && type !== undefined && type !== "map") errors.push(invalidValue(at, type, detail));
  if (type === undefined) return errors;
  errors.push(...needsType(schema, "array", "x-kubernetes-list-type", path));
  if (!["atomic", "set", "map"].includes(type)) errors.push(notSupported(at, type, ["atomic", "set", "map"]));
  if (type === "set" && schema.items !== undefined)
    errors.push(...setItemErrors(schema.items, childPath(path, "items")));
  if ((type === "set" || type === "map") && schema.items?.nullable === true) {
    const nullable = childPath(childPath(path, "items"), "nullable");
    errors.push(forbidden(nullable, `cannot be nullable when x-kubernetes-list-type is ${type}`));
  }
  return errors;
}

function setItemErrors(items: SchemaNode, path: string): FieldError[] {
  const detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
  const listType = items["x-kubernetes-list-type"];
  const mapType = items["x-kubernetes-map-type"];
  if (items.type === "array" && listType !== undefined && listType !== "atomic") {
    return [invalidValue(childPath(path, "x-kubernetes-list-type"), listType, detail)];
  }
  if (items.type === "object" && mapType !== "atomic") {
    return [invalidValue(childPath(path, "x-kubernetes-map-type"), mapType, detail)];
  }
  return [];
}

function mapListErrors(schema: SchemaNode, path: string): FieldError[] {
  if (schema["x-kubernetes-list-type"] !== "map") return [];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const keysPath = childPath(path, "x-kubernetes-list-map-keys");
  const itemsPath = childPath(path, "items");
  const { items } = schema;
  const errors: FieldError[] = [];
  if (keys.length === 0) errors.push(required(keysPath, "must not be empty if x-kubernetes-list-type is map"));
  if (items === undefined) {
    return [...errors, required(itemsPath, "must have a schema if x-kubernetes-list-type is map")];
  }
  if (items.type !== "object") {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    return [...errors, invalidValue(childPath(itemsPath, "type"), items.type ?? "", detail)];
  }
  if (new Set(keys).size < keys.length) errors.push(invalidValue(keysPath, keys, "must not contain duplicate entries"));
  for (const key of keys) errors.push(...mapKeyErrors(key, keys, items, keysPath, itemsPath));
  return errors;
}

function mapKeyErrors(
  key: string,
  keys: readonly string[],
  items: SchemaNode,
  keysPath: string,
  itemsPath: string,
): FieldError[] {
  const property = Object.hasOwn(items.properties ?? {}, key) ? items.properties?.[key] : undefined;
  if (property === undefined) return [invalidValue(keysPath, keys, "entries must all be names of item properties")];
  const at = keyPath(childPath(itemsPath, "properties"), key);
  const errors: FieldError[] = [];
  if (property.type === "array" || property.type === "object") {
    const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
    errors.push(invalidValue(childPath(at, "type"), property.type, detail));
  }
  const why = "this property is in x-kubernetes-list-map-keys, so it";
  if (items.required?.includes(key) !== true && (property.default ?? null) === null) {
    errors.push(required(childPath(at, "default"), `${why} must have a default or be a required property`));
  }
  if (property.nullable === true) errors.push(forbidden(childPath(at, "nullable"), `${why} cannot be nullable`));
  return errors;
}

const REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const hasNewlines = (text: string): boolean => /[\n\r]/.test(text);

/** The parts of a rule that can be judged without compiling it. */
function ruleErrors(rule: ValidationRule, schema: SchemaNode, path: string): FieldError[] {
  const at = (name: string): string => childPath(path, name);
  const errors = [...messageErrors(rule, at)];
  if (rule.reason !== undefined && !REASONS.includes(rule.reason)) {
    errors.push(notSupported(at("reason"), rule.reason, REASONS));
  }
  const { fieldPath } = rule;
  if (fieldPath === undefined || fieldPath === "") return errors;
  const invalid = (detail: string): FieldError => invalidValue(at("fieldPath"), fieldPath, detail);
  if (fieldPath.trim() === "") errors.push(invalid("fieldPath must be non-empty if specified"));
  if (hasNewlines(fieldPath)) errors.push(invalid("fieldPath must not contain line breaks"));
  if (fieldPathProblem(fieldPath, schema) !== undefined) errors.push(invalid("fieldPath must be a valid path"));
  return errors;
}

function messageErrors(rule: ValidationRule, at: (name: string) => string): FieldError[] {
  const message = rule.message ?? "";
  const errors: FieldError[] = [];
  if (rule.rule === undefined || rule.rule.trim() === "") errors.push(required(at("rule"), "rule is not specified"));
  else if (message !== "" && message.trim() === "") {
    errors.push(invalidValue(at("message"), message, "message must be non-empty if specified"));
  } else if (hasNewlines(message.trim())) {
    errors.push(invalidValue(at("message"), message, "message must not contain line breaks"));
  } else if (hasNewlines(rule.rule.trim()) && message === "") {
    errors.push(required(at("message"), "message must be specified if rule contains line breaks"));
  }
  if (rule.messageExpression?.trim() === "" && rule.messageExpression !== "") {
    errors.push(required(at("messageExpression"), "messageExpression must be non-empty if specified"));
  }
  return errors;
}
