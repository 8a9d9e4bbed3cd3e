import type { FieldError } from "../status.ts";
import { checkRules } from "./cel/check.ts";
import { invalidValue } from "./field-error.ts";
import { nestsDeeperThan } from "./node.ts";
import { defaultErrors } from "./schema-defaults.ts";
import { schemaErrors } from "./schema-rules.ts";
import { structuralErrors } from "./structural-rules.ts";
import type { SchemaNode } from "./types.ts";

/** Each level of a schema costs two levels of JSON and a stack frame in every walk over it. */
const MAX_SCHEMA_DEPTH = 200;

/**
 * What makes the schema of a CRD version unacceptable, with paths that start at `path`. The JSON types must have been
 * checked before (`crdShapeError`). Rules (CEL) are compiled only when nothing else is wrong.
 */
export function validateStructural(root: SchemaNode, path: string): readonly FieldError[] {
  if (nestsDeeperThan(root, MAX_SCHEMA_DEPTH)) {
    return [invalidValue(path, "", `must not be nested more than ${MAX_SCHEMA_DEPTH} levels deep`)];
  }
  const structural = structuralErrors(root, path);
  const errors = [...structural, ...schemaErrors(root, path)];
  if (errors.length > 0)
    return errors.toSorted((a, b) => (`${a.field}: ${a.message}` < `${b.field}: ${b.message}` ? -1 : 1));
  const rules = checkRules(root, path);
  return rules.length > 0 ? rules : defaultErrors(root, path);
}
