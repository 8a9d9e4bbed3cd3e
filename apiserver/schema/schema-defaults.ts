import type { FieldError } from "../status.ts";
import { compileChecks } from "./compile.ts";
import { childPath, invalidValue, NO_FIELD } from "./field-error.ts";
import { buildNode, jsonEqual } from "./node.ts";
import { pruneValue } from "./prune.ts";
import { subSchemas } from "./schema-walk.ts";
import type { SchemaNode } from "./types.ts";

/** Defaults must be what the schema would let a user write: pruned and valid. */
export function defaultErrors(schema: SchemaNode, path: string): FieldError[] {
  const own = (schema.default ?? null) === null ? [] : ownErrors(schema, childPath(path, "default"));
  return [
    ...own,
    ...subSchemas(schema, path).flatMap((sub) => (sub.role === "junctor" ? [] : defaultErrors(sub.schema, sub.path))),
  ];
}

function ownErrors(schema: SchemaNode, path: string): FieldError[] {
  const node = buildNode(schema);
  const pruned = structuredClone(schema.default);
  pruneValue(pruned, node);
  const errors = jsonEqual(pruned, schema.default)
    ? []
    : [invalidValue(path, schema.default, "must not have unknown fields")];
  return [
    ...errors,
    ...compileChecks(schema, node, { isResource: node.embedded })(schema.default).map((error) => ({
      ...error,
      field: prefixed(path, error.field),
    })),
  ];
}

function prefixed(path: string, field: string): string {
  if (field === NO_FIELD || field === "") return path;
  return field.startsWith("[") ? `${path}${field}` : childPath(path, field);
}
