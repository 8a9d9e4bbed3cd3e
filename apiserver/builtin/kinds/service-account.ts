import type { KubeObject } from "../../../machinery/object.ts";
import type { SchemaNode } from "../../schema/types.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { atomic, flag, kindSchema, listByKey, listOf, objectReference, record, text } from "../schema-nodes.ts";

/** Merged by name, so it must have one. */
const secretReference = (description: string): SchemaNode => ({ ...objectReference(description), required: ["name"] });

export const serviceAccountKind: BuiltinKind = {
  group: "",
  version: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  namespaced: true,
  shortNames: ["sa"],
  schema: kindSchema("An identity for programs. `kubectl create token NAME` issues a token for it.", {
    secrets: listByKey(
      "Secrets that programs under this identity may use.",
      "name",
      secretReference("A secret of the same namespace."),
    ),
    imagePullSecrets: listOf(
      "Kept for other tools: Ferrite pulls no images.",
      atomic(record("A secret of the same namespace.", { name: text("Name of the secret.") })),
    ),
    automountServiceAccountToken: flag("Kept for other tools: Ferrite runs no pods."),
  }),
  columns: [
    {
      name: "Secrets",
      type: "integer",
      jsonPath: ".secrets",
      description: "Number of secrets named",
      cell: (object: KubeObject) => ((object["secrets"] as unknown[] | undefined) ?? []).length,
    },
    AGE,
  ],
};
