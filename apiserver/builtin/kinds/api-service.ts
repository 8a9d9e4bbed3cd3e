import type { Condition, KubeObject } from "../../../machinery/object.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { bytes, conditions, flag, int32, kindSchema, record, text } from "../schema-nodes.ts";

export const API_REGISTRATION_GROUP = "apiregistration.k8s.io";

export interface ApiService extends KubeObject {
  spec?: {
    group?: string;
    version?: string;
    groupPriorityMinimum: number;
    versionPriority: number;
  };
  status?: { conditions?: Condition[] };
}

const available = (object: ApiService): string => {
  const condition = (object.status?.conditions ?? []).find(({ type }) => type === "Available");
  if (condition === undefined) return "Unknown";
  return condition.status === "True" ? "True" : `${condition.status} (${condition.reason})`;
};

/** One served group-version. The server keeps the list; other API servers cannot be registered, so nobody else writes it. */
export const apiServiceKind: BuiltinKind = {
  group: API_REGISTRATION_GROUP,
  version: "v1",
  kind: "APIService",
  plural: "apiservices",
  namespaced: false,
  categories: ["api-extensions"],
  readOnly:
    "the server lists the group-versions that it serves as APIServices by itself; it does not take other API servers in",
  schema: kindSchema("One API group in one version that this server serves.", {
    spec: record(
      "What is served, and how clients should rank it.",
      {
        group: text("API group; empty for the core group."),
        version: text("Version, such as v1."),
        groupPriorityMinimum: int32("Rank of the group: groups with a higher one come first."),
        versionPriority: int32("Rank of the version in its group: higher ones come first."),
        service: record("Where the group is served; absent: by this server itself.", {
          namespace: text("Namespace of the Service."),
          name: text("Name of the Service."),
          port: int32("Port of the Service."),
        }),
        insecureSkipTLSVerify: flag("Not used."),
        caBundle: bytes("Not used."),
      },
      ["groupPriorityMinimum", "versionPriority"],
    ),
    status: record("Written by the server.", { conditions: conditions("Available: the group can be asked for.") }),
  }),
  columns: [
    { name: "Service", type: "string", jsonPath: ".spec.service", description: "Who serves it", cell: () => "Local" },
    {
      name: "Available",
      type: "string",
      jsonPath: ".status.conditions",
      description: "Whether it can be asked for",
      cell: available,
    },
    AGE,
  ],
  // `v1.` is that of the core group.
  strategy: {
    validateName: (name) =>
      /^[a-z0-9]+\.[a-z0-9.-]*$/.test(name) ? undefined : "must be VERSION.GROUP, such as v1.apps",
  },
};
