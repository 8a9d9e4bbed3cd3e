import type { KubeObject } from "../../../machinery/object.ts";
import type { FieldError } from "../../status.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { invalidValue, requiredValue } from "../field-errors.ts";
import { bytes, flag, kindSchema, mapOf, text } from "../schema-nodes.ts";
import { decodedBytes, immutableErrors, sizeError, typeChanged, validateKey } from "./data-keys.ts";

interface Secret extends KubeObject {
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  type?: string;
  immutable?: boolean;
}

const SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name";

/** Keys that a type asks for. basic-auth wants one of its two. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};

/** `stringData` is a way to write, not a thing to read: it goes into `data` and wins over it. */
function mergeStringData(object: Secret): void {
  if (object.stringData === undefined) return;
  const encoded = Object.entries(object.stringData).map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
  object.data = { ...object.data, ...(Object.fromEntries(encoded) as Record<string, string>) };
  delete object.stringData;
}

export const secretKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
  schema: kindSchema("Keys and values that are secret.", {
    data: mapOf("Values in base64. Keys consist of letters, digits, '-', '_' and '.'.", bytes("A value in base64.")),
    stringData: mapOf(
      "Values as plain text, for writing only: merged into data, over what is there.",
      text("A value."),
    ),
    type: text("What the keys mean, such as Opaque, kubernetes.io/tls. Cannot be changed.", { default: "Opaque" }),
    immutable: flag("When true, neither data nor this field changes again; the object can still be deleted."),
  }),
  columns: [
    { name: "Type", type: "string", jsonPath: ".type", description: "What the keys mean" },
    {
      name: "Data",
      type: "integer",
      jsonPath: ".data",
      description: "Number of keys",
      cell: (object: Secret) => Object.keys(object.data ?? {}).length,
    },
    AGE,
  ],
  selectableFields: ["type"],
  strategy: {
    prepareForCreate: mergeStringData,
    prepareForUpdate(object: Secret, old: Secret) {
      mergeStringData(object);
      if (object.type === undefined || object.type === "") object.type = old.type ?? "Opaque";
    },
    validate: validateSecret,
  },
};

function validateSecret(object: Secret, old: Secret | undefined): readonly FieldError[] {
  const data = Object.entries(object.data ?? {});
  const totalBytes = data.reduce((sum, [, value]) => sum + decodedBytes(value), 0);
  return [
    ...(old === undefined ? [] : typeChanged(old.type, object.type)),
    ...immutableErrors(old, object, ["data"]),
    ...data.flatMap(([key]) => validateKey(`data[${key}]`, key)),
    ...sizeError(totalBytes),
    ...validateType(object),
  ];
}

function validateType(object: Secret): readonly FieldError[] {
  const type = object.type ?? "Opaque";
  const data = object.data ?? {};
  if (type === "kubernetes.io/service-account-token" && !object.metadata.annotations?.[SERVICE_ACCOUNT_NAME]) {
    return [requiredValue(`metadata.annotations[${SERVICE_ACCOUNT_NAME}]`)];
  }
  if (type === "kubernetes.io/basic-auth" && !Object.hasOwn(data, "username") && !Object.hasOwn(data, "password")) {
    return [requiredValue("data[username]"), requiredValue("data[password]")];
  }
  const missing = (REQUIRED_KEYS[type] ?? []).filter((key) => !Object.hasOwn(data, key));
  if (missing.length > 0) return missing.map((key) => requiredValue(`data[${key}]`));
  return dockerConfigErrors(type, data);
}

function dockerConfigErrors(type: string, data: Readonly<Record<string, string>>): readonly FieldError[] {
  const key = REQUIRED_KEYS[type]?.[0];
  if (key === undefined || !type.includes("dockerc")) return [];
  try {
    JSON.parse(Buffer.from(data[key] ?? "", "base64").toString());
    return [];
  } catch {
    return [invalidValue(`data[${key}]`, "<secret contents redacted>", "must be JSON")];
  }
}
