import type { FieldError } from "../status.ts";
import { childPath, forbidden, invalidValue, keyPath, required } from "./field-error.ts";
import { jsonEqual } from "./node.ts";
import { patternProblem } from "./regex.ts";
import { subSchemas } from "./schema-walk.ts";
import type { SchemaNode } from "./types.ts";

type Level = "root" | "item" | "field";

/** What makes a schema structural (apiextensions-apiserver `schema/validation.go` and `complete.go`), with its texts. */
export function structuralErrors(schema: SchemaNode, path: string): FieldError[] {
  return [...invariants(schema, "root", path), ...completeness(schema, schema, path, path)];
}

const EMPTY_TYPE: Readonly<Record<Level, string>> = {
  root: "must not be empty at the root",
  item: "must not be empty for specified array items",
  field: "must not be empty for specified object fields",
};

function invariants(schema: SchemaNode, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = (name: string): string => childPath(path, name);
  if (schema.type === "array" && schema.items === undefined) errors.push(required(at("items"), "must be specified"));
  if (schema.additionalProperties !== undefined && level === "root") {
    errors.push(forbidden(at("additionalProperties"), "must not be used at the root"));
  }
  for (const sub of subSchemas(schema, path)) {
    if (sub.role !== "junctor")
      errors.push(...invariants(sub.schema, sub.role === "items" ? "item" : "field", sub.path));
  }
  return [
    ...errors,
    ...extensionErrors(schema, at),
    ...junctorErrors(schema, path),
    ...typeErrors(schema, level, at),
    ...metadataErrors(schema, level, path),
  ];
}

function extensionErrors(schema: SchemaNode, at: (name: string) => string): FieldError[] {
  if (schema["x-kubernetes-int-or-string"] !== true) return [];
  return (["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] as const)
    .filter((name) => schema[name] === true)
    .map((name) => invalidValue(at(name), true, "must be false if x-kubernetes-int-or-string is true"));
}

function typeErrors(schema: SchemaNode, level: Level, at: (name: string) => string): FieldError[] {
  const type = schema.type ?? "";
  const errors: FieldError[] = [];
  const isEmbedded = schema["x-kubernetes-embedded-resource"] === true;
  const mayLackType =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (isEmbedded && type !== "object") {
    const detail = "must be object if x-kubernetes-embedded-resource is true";
    errors.push(type === "" ? required(at("type"), detail) : invalidValue(at("type"), type, detail));
  } else if (type === "" && !mayLackType) errors.push(required(at("type"), EMPTY_TYPE[level]));
  if (isEmbedded && schema.additionalProperties !== undefined) {
    errors.push(forbidden(at("additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set"));
  }
  if (level === "root" && type !== "" && type !== "object") {
    errors.push(invalidValue(at("type"), type, "must be object at the root"));
  }
  const hasContent =
    schema["x-kubernetes-preserve-unknown-fields"] === true || Object.keys(schema.properties ?? {}).length > 0;
  if (isEmbedded && !hasContent) {
    errors.push(
      required(
        at("properties"),
        "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
      ),
    );
  }
  return errors;
}

/** `kind`, `apiVersion` and `metadata` of the root and of embedded resources are the API server's. */
function metadataErrors(schema: SchemaNode, level: Level, path: string): FieldError[] {
  if (level !== "root" && schema["x-kubernetes-embedded-resource"] !== true) return [];
  const errors: FieldError[] = [];
  const properties = new Map(Object.entries(schema.properties ?? {}));
  const at = (name: string): string => keyPath(childPath(path, "properties"), name);
  for (const [name, type] of [
    ["kind", "string"],
    ["apiVersion", "string"],
    ["metadata", "object"],
  ] as const) {
    const property = properties.get(name);
    if (property !== undefined && property.type !== type) {
      errors.push(invalidValue(childPath(at(name), "type"), property.type ?? "", `must be ${type}`));
    }
  }
  const metadata = properties.get("metadata");
  if (level === "root" && metadata !== undefined && !isPlainMetadata(metadata)) {
    errors.push(
      forbidden(
        at("metadata"),
        "must not specify anything other than name and generateName, but metadata is implicitly specified",
      ),
    );
  }
  return errors;
}

function isPlainMetadata(metadata: SchemaNode): boolean {
  const { type: _type, default: _default, properties, ...rest } = metadata;
  const isRestricted = Object.keys(properties ?? {}).every((name) => name === "name" || name === "generateName");
  return isRestricted && Object.keys(rest).length === 0;
}

const INT_OR_STRING = [{ type: "integer" }, { type: "string" }];

function junctorErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = (name: string): string => childPath(path, name);
  const isExempt = (keyword: string, index: number, branch: SchemaNode): boolean =>
    (keyword === "anyOf" && jsonEqual(schema.anyOf, INT_OR_STRING)) ||
    (keyword === "allOf" && index === 0 && jsonEqual(branch.anyOf, INT_OR_STRING));
  for (const keyword of ["allOf", "anyOf", "oneOf"] as const) {
    schema[keyword]?.forEach((branch, index) => {
      const checked = isExempt(keyword, index, branch) ? withoutExempt(keyword, branch) : branch;
      errors.push(...nestedErrors(checked, `${at(keyword)}[${index}]`));
    });
  }
  if (schema.not !== undefined) errors.push(...nestedErrors(schema.not, at("not")));
  const problem = schema.pattern === undefined || schema.pattern === "" ? undefined : patternProblem(schema.pattern);
  if (problem !== undefined) {
    const detail = `must be a valid regular expression, but isn't: ${problem}`;
    errors.push(invalidValue(at("pattern"), schema.pattern, detail));
  }
  return errors;
}

const withoutExempt = (keyword: string, branch: SchemaNode): SchemaNode => {
  if (keyword === "anyOf") return {};
  const { anyOf: _anyOf, ...rest } = branch;
  return rest;
};

/** What a value validation under a junctor must leave to the structure around it. */
const FORBIDDEN_WHEN_NESTED: readonly (readonly [keyof SchemaNode, string])[] = [
  ["type", "must be empty to be structural"],
  ["additionalProperties", "must be undefined to be structural"],
  ["default", "must be undefined to be structural"],
  ["title", "must be empty to be structural"],
  ["description", "must be empty to be structural"],
  ["nullable", "must be false to be structural"],
  ["x-kubernetes-preserve-unknown-fields", "must be false to be structural"],
  ["x-kubernetes-embedded-resource", "must be false to be structural"],
  ["x-kubernetes-int-or-string", "must be false to be structural"],
  ["x-kubernetes-list-map-keys", "must be empty to be structural"],
  ["x-kubernetes-list-type", "must be undefined to be structural"],
  ["x-kubernetes-map-type", "must be undefined to be structural"],
  ["x-kubernetes-validations", "must be empty to be structural"],
];

function nestedErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors = FORBIDDEN_WHEN_NESTED.filter(([name]) => isSet(schema[name])).map(([name, detail]) =>
    forbidden(childPath(path, name), detail),
  );
  for (const sub of subSchemas(schema, path)) {
    if (sub.role === "property" || sub.role === "items") errors.push(...nestedErrors(sub.schema, sub.path));
  }
  if (Object.hasOwn(schema.properties ?? {}, "metadata")) {
    errors.push(
      forbidden(keyPath(childPath(path, "properties"), "metadata"), "must not be specified in a nested context"),
    );
  }
  return [...errors, ...junctorErrors(schema, path)];
}

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== "" && value !== false && !(Array.isArray(value) && value.length === 0);

/** Every field or item that a value validation of the root names must be part of the structure; upstream looks no deeper. */
function completeness(value: SchemaNode, schema: SchemaNode | undefined, sPath: string, vPath: string): FieldError[] {
  return subSchemas(value, vPath).flatMap((sub) => {
    if (sub.role !== "junctor") return [];
    return nestedCompleteness(sub.schema, schema, sPath, sub.path);
  });
}

function nestedCompleteness(
  value: SchemaNode,
  schema: SchemaNode | undefined,
  sPath: string,
  vPath: string,
): FieldError[] {
  if (schema === undefined) return [required(sPath, `because it is defined in ${vPath}`)];
  const inside = subSchemas(value, vPath).flatMap((sub) => {
    if (sub.role === "items") return nestedCompleteness(sub.schema, schema.items, childPath(sPath, "items"), sub.path);
    if (sub.role !== "property" || sub.name === undefined) return [];
    const own = Object.hasOwn(schema.properties ?? {}, sub.name) ? schema.properties?.[sub.name] : undefined;
    return nestedCompleteness(sub.schema, own, keyPath(childPath(sPath, "properties"), sub.name), sub.path);
  });
  return [...completeness(value, schema, sPath, vPath), ...inside];
}
