import { childPath, indexPath, keyPath } from "./field-error.ts";
import type { SchemaNode } from "./types.ts";

/** A direct subschema with its place; `structural` ones describe the object, the others only add value validations. */
export interface SubSchema {
  readonly schema: SchemaNode;
  readonly path: string;
  readonly role: "property" | "items" | "additionalProperties" | "junctor";
  readonly name?: string;
}

/** The subschemas directly inside `schema`. */
export function subSchemas(schema: SchemaNode, path: string): readonly SubSchema[] {
  const found: SubSchema[] = Object.entries(schema.properties ?? {}).map(([name, child]) => ({
    schema: child,
    path: keyPath(childPath(path, "properties"), name),
    role: "property",
    name,
  }));
  const { items, additionalProperties, not } = schema;
  if (items !== undefined) found.push({ schema: items, path: childPath(path, "items"), role: "items" });
  if (typeof additionalProperties === "object") {
    found.push({
      schema: additionalProperties,
      path: childPath(path, "additionalProperties"),
      role: "additionalProperties",
    });
  }
  for (const keyword of ["allOf", "anyOf", "oneOf"] as const) {
    schema[keyword]?.forEach((branch, index) => {
      found.push({ schema: branch, path: indexPath(childPath(path, keyword), index), role: "junctor" });
    });
  }
  if (not !== undefined) found.push({ schema: not, path: childPath(path, "not"), role: "junctor" });
  return found;
}
