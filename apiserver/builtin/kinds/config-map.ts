import type { KubeObject } from "../../../machinery/object.ts";
import type { FieldError } from "../../status.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { invalidValue } from "../field-errors.ts";
import { bytes, flag, kindSchema, mapOf, text } from "../schema-nodes.ts";
import { decodedBytes, immutableErrors, sizeError, validateKey } from "./data-keys.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
  immutable?: boolean;
}

export const configMapKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
  shortNames: ["cm"],
  schema: kindSchema("Configuration as keys and values, not secret.", {
    data: mapOf("Values that are UTF-8 text. Keys consist of letters, digits, '-', '_' and '.'.", text("A value.")),
    binaryData: mapOf(
      "Values that are not text, in base64. No key may stand in both maps.",
      bytes("A value in base64."),
    ),
    immutable: flag("When true, neither data nor this field changes again; the object can still be deleted."),
  }),
  columns: [
    {
      name: "Data",
      type: "integer",
      jsonPath: ".data",
      description: "Number of keys",
      cell: (object: ConfigMap) => Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
    },
    AGE,
  ],
  strategy: { validate: validateConfigMap },
};

function validateConfigMap(object: ConfigMap, old: ConfigMap | undefined): readonly FieldError[] {
  const data = Object.entries(object.data ?? {});
  const binary = Object.entries(object.binaryData ?? {});
  const twice = binary
    .filter(([key]) => Object.hasOwn(object.data ?? {}, key))
    .map(([key]) => invalidValue(`binaryData[${key}]`, key, "duplicate of key present in data"));
  let totalBytes = 0;
  for (const [, value] of data) totalBytes += Buffer.byteLength(value);
  for (const [, value] of binary) totalBytes += decodedBytes(value);
  return [
    ...immutableErrors(old, object, ["data", "binaryData"]),
    ...data.flatMap(([key]) => validateKey(`data[${key}]`, key)),
    ...binary.flatMap(([key]) => validateKey(`binaryData[${key}]`, key)),
    ...twice,
    ...sizeError(totalBytes),
  ];
}
