import type { FieldError } from "../status.ts";
import { parseJsonPath } from "../table/jsonpath.ts";
import type { CrdVersion } from "./crd.ts";
import { childPath, duplicate, indexPath, invalidValue, required, tooMany } from "./field-error.ts";
import { resolveFieldPath } from "./field-path.ts";
import { validateStructural } from "./structural.ts";
import type { SchemaNode } from "./types.ts";

/** What is wrong with one version of a CRD. `isSchemaKnown`: the schema was accepted before and has not changed. */
export function crdVersionErrors(
  version: CrdVersion,
  path: string,
  options: { readonly isSchemaKnown: boolean },
): FieldError[] {
  const schema = version.schema?.openAPIV3Schema;
  const schemaPath = childPath(childPath(path, "schema"), "openAPIV3Schema");
  return [
    ...deprecationErrors(version, childPath(path, "deprecationWarning")),
    ...(schema === undefined ? [required(schemaPath, "schemas are required")] : []),
    ...(schema === undefined || options.isSchemaKnown ? [] : validateStructural(schema, schemaPath)),
    ...(schema === undefined ? [] : rootErrors(schema, version, schemaPath)),
    ...scaleErrors(version.subresources?.scale, childPath(path, "subresources")),
    ...(version.additionalPrinterColumns ?? []).flatMap((column, i) =>
      columnErrors(column, indexPath(childPath(path, "additionalPrinterColumns"), i)),
    ),
    ...selectableErrors(version, schema, childPath(path, "selectableFields")),
  ];
}

function deprecationErrors({ deprecated, deprecationWarning: warning }: CrdVersion, path: string): FieldError[] {
  if (warning === undefined) return [];
  if (deprecated !== true) return [invalidValue(path, warning, "can only be set for deprecated versions")];
  if (warning === "") return [invalidValue(path, warning, "must not be an empty string")];
  const unprintable = /[^\P{C}]|[^\S ]/u.exec(warning)?.index;
  const detail = `must only contain printable UTF-8 characters; non-printable character found at index ${unprintable}`;
  return [
    ...(Buffer.byteLength(warning) > 256 ? [invalidValue(path, warning, "must be <= 256 characters long")] : []),
    ...(unprintable === undefined ? [] : [invalidValue(path, warning, detail)]),
  ];
}

/** With a status subresource, the schema of the status is cut out of the root: checks across both would be lost. */
function rootErrors(schema: SchemaNode, version: CrdVersion, path: string): FieldError[] {
  if (version.subresources?.status === undefined) return [];
  const lost = [
    "anyOf",
    "allOf",
    "oneOf",
    "not",
    "enum",
    "nullable",
    "default",
    "minProperties",
    "maxProperties",
  ] as const;
  const found = lost.filter((name) => schema[name] !== undefined);
  if (found.length === 0) return [];
  const detail = `${found.join(", ")} cannot be used at the root of the schema if the status subresource is enabled`;
  return [invalidValue(path, "", detail)];
}

function scaleErrors(scale: NonNullable<CrdVersion["subresources"]>["scale"], path: string): FieldError[] {
  if (scale === undefined) return [];
  const check = (name: keyof typeof scale, under: readonly string[], detail: string): FieldError[] => {
    const at = childPath(path, `scale.${name}`);
    const value = scale[name] ?? "";
    if (value === "") return name === "labelSelectorPath" ? [] : [required(at)];
    const errors = simplePathErrors(value, at);
    if (errors.length > 0) return errors;
    return under.some((prefix) => value.startsWith(prefix)) ? [] : [invalidValue(at, value, detail)];
  };
  return [
    ...check("specReplicasPath", [".spec."], "should be a json path under .spec"),
    ...check("statusReplicasPath", [".status."], "should be a json path under .status"),
    ...check("labelSelectorPath", [".spec.", ".status."], "should be a json path under either .spec or .status"),
  ];
}

function simplePathErrors(path: string, at: string): FieldError[] {
  if (!path.startsWith(".")) return [invalidValue(at, path, "must be a simple json path starting with .")];
  const isDotted = /^(?:\.[^.[\]{}'"()\s]+)+$/.test(path);
  return isDotted ? [] : [invalidValue(at, path, "must be a json path in the dot notation")];
}

const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

function columnErrors(column: NonNullable<CrdVersion["additionalPrinterColumns"]>[number], path: string): FieldError[] {
  const { name = "", type = "", format = "", jsonPath = "" } = column;
  const errors: FieldError[] = [];
  const types = `must be one of ${COLUMN_TYPES.join(",")}`;
  if (name === "") errors.push(required(childPath(path, "name")));
  if (type === "") errors.push(required(childPath(path, "type"), types));
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalidValue(childPath(path, "type"), type, types));
  if (format !== "" && !COLUMN_FORMATS.includes(format)) {
    errors.push(invalidValue(childPath(path, "format"), format, `must be one of ${COLUMN_FORMATS.join(",")}`));
  }
  const at = childPath(path, "JSONPath");
  if (jsonPath === "") return [...errors, required(at)];
  if (!jsonPath.startsWith(".")) {
    return [...errors, invalidValue(at, jsonPath, "must be a simple json path starting with .")];
  }
  try {
    parseJsonPath(jsonPath);
    return errors;
  } catch (error) {
    return [...errors, invalidValue(at, jsonPath, error instanceof Error ? error.message : String(error))];
  }
}

const MAX_SELECTABLE_FIELDS = 8;

function selectableErrors(version: CrdVersion, schema: SchemaNode | undefined, path: string): FieldError[] {
  const fields = version.selectableFields ?? [];
  if (fields.length === 0) return [];
  if (schema === undefined) {
    return [invalidValue(path, "", "selectableFields may only be set when version.schema.openAPIV3Schema is included")];
  }
  const seen = new Set<string>();
  const errors = fields.flatMap(({ jsonPath = "" }, i) =>
    selectableFieldErrors(jsonPath, schema, childPath(indexPath(path, i), "jsonPath"), seen),
  );
  return seen.size > MAX_SELECTABLE_FIELDS ? [...errors, tooMany(path, seen.size, MAX_SELECTABLE_FIELDS)] : errors;
}

function selectableFieldErrors(jsonPath: string, schema: SchemaNode, at: string, seen: Set<string>): FieldError[] {
  if (jsonPath === "") return [required(at)];
  try {
    if (jsonPath.includes("[")) throw new Error("array notation is not allowed");
    const { path, names, schema: field } = resolveFieldPath(jsonPath, schema);
    const errors: FieldError[] = [];
    if (names[0] === "metadata") errors.push(invalidValue(at, jsonPath, "must not point to fields in metadata"));
    if (!["string", "boolean", "integer"].includes(field.type ?? "")) {
      const detail =
        "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
      errors.push(invalidValue(at, jsonPath, detail));
    }
    if (seen.has(path)) errors.push(duplicate(at, jsonPath));
    seen.add(path);
    return errors;
  } catch (error) {
    return [
      invalidValue(at, jsonPath, `is an invalid path: ${error instanceof Error ? error.message : String(error)}`),
    ];
  }
}
