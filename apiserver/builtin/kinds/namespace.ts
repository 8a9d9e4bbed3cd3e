import type { KubeObject } from "../../../machinery/object.ts";
import type { FieldError } from "../../status.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { invalidValue } from "../field-errors.ts";
import { conditions, kindSchema, listOf, record, text } from "../schema-nodes.ts";

const NAME_LABEL = "kubernetes.io/metadata.name";

interface NamespaceObject extends KubeObject {
  spec?: { finalizers?: string[] } | undefined;
  status?: { phase?: string; conditions?: unknown[] } | undefined;
}

const labelWithName = (object: KubeObject): void => {
  const { name } = object.metadata;
  if (name !== undefined) object.metadata.labels = { ...object.metadata.labels, [NAME_LABEL]: name };
};

/** A namespace goes only when `spec.finalizers` is empty: whoever deletes its contents empties it through `/finalize`. */
export const namespaceKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
  shortNames: ["ns"],
  schema: kindSchema("A scope for names. Deleting a namespace deletes everything in it.", {
    spec: record("How the namespace behaves.", {
      finalizers: listOf(
        "What must be done before the namespace goes; kubernetes stands for deleting its contents.",
        text("Name of a finalizer."),
      ),
    }),
    status: record("Written by the server.", {
      phase: text("Active or Terminating."),
      conditions: conditions("What holds up the deletion."),
    }),
  }),
  status: true,
  custom: {
    finalize: {
      verbs: ["update"],
      prepareForUpdate(object, old) {
        object["status"] = old["status"];
      },
    },
  },
  columns: [{ name: "Status", type: "string", jsonPath: ".status.phase", description: "Phase of the namespace" }, AGE],
  selectableFields: ["status.phase"],
  strategy: {
    prepareForCreate(object: NamespaceObject) {
      object.spec = { finalizers: ["kubernetes"] };
      object.status = { phase: "Active" };
      labelWithName(object);
    },
    prepareForUpdate(object: NamespaceObject, old: NamespaceObject) {
      object.spec = {
        ...object.spec,
        ...(old.spec?.finalizers === undefined ? {} : { finalizers: old.spec.finalizers }),
      };
      object.status = old.status;
      labelWithName(object);
    },
    validate: validateNamespace,
    validateName: (name) =>
      /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)
        ? undefined
        : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character, at most 63 of them",
  },
};

function validateNamespace(object: NamespaceObject): readonly FieldError[] {
  const { phase } = object.status ?? {};
  const terminating = object.metadata.deletionTimestamp !== undefined;
  if (!terminating && phase !== undefined && phase !== "Active") {
    return [invalidValue("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")];
  }
  if (terminating && phase !== undefined && phase !== "Terminating") {
    return [invalidValue("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")];
  }
  return [];
}
