import type { BuiltinKind } from "../builtin-kind.ts";
import { anything, bytes, conditions, flag, int32, int64, kindSchema, listOf, record, text } from "../schema-nodes.ts";

const names = record(
  "What the kind is called in paths and on the command line.",
  {
    plural: text("Name in paths, lower case; the object must be called PLURAL.GROUP."),
    singular: text("Name for kubectl; defaults to the kind in lower case."),
    shortNames: listOf("Short names for kubectl.", text("A short name.")),
    kind: text("Name of the kind, in CamelCase."),
    listKind: text("Name of the list kind; defaults to KINDList."),
    categories: listOf("Groups of kinds that kubectl gets together, such as all.", text("A category.")),
  },
  ["plural", "kind"],
);

const printerColumn = record(
  "A column that kubectl get shows.",
  {
    name: text("Title of the column."),
    type: text("string, integer, number, boolean or date."),
    format: text("An OpenAPI format of the type."),
    description: text("What the column shows."),
    priority: int32("0: always shown; more: with -o wide only."),
    jsonPath: text("Where the value stands, such as .spec.size."),
  },
  ["name", "type", "jsonPath"],
);

const subresources = record("Subresources that the version has.", {
  status: anything("Present: /status is served, and the main endpoint leaves status alone."),
  scale: record(
    "Present: /scale is served.",
    {
      specReplicasPath: text("Where the wanted replicas stand, under .spec."),
      statusReplicasPath: text("Where the seen replicas stand, under .status."),
      labelSelectorPath: text("Where the label selector stands, under .spec or .status."),
    },
    ["specReplicasPath", "statusReplicasPath"],
  ),
});

const version = record(
  "One version of the kind.",
  {
    name: text("Name of the version, such as v1alpha1."),
    served: flag("Whether the API serves it."),
    storage: flag("Whether objects are stored in it: exactly one version is."),
    deprecated: flag("Whether its use gets a warning."),
    deprecationWarning: text("Text of that warning."),
    schema: record("Schema of the objects.", { openAPIV3Schema: anything("A structural OpenAPI v3 schema.") }),
    subresources,
    additionalPrinterColumns: listOf("Columns for kubectl get, behind the name.", printerColumn),
    selectableFields: listOf(
      "Fields that field selectors may name.",
      record("A field.", { jsonPath: text("Where the field stands, such as .spec.hostName.") }, ["jsonPath"]),
    ),
  },
  ["name", "served", "storage"],
);

const conversion = record(
  "How objects go from one version to another.",
  {
    strategy: text("None: only apiVersion is rewritten. Webhook: a webhook converts."),
    webhook: record(
      "The webhook.",
      {
        clientConfig: record("How to call it.", {
          url: text("Its URL."),
          service: anything("A Service; Ferrite calls webhooks by url only."),
          caBundle: bytes("Certificates that its own must be signed by, in PEM."),
        }),
        conversionReviewVersions: listOf("Versions of ConversionReview that it takes.", text("A version.")),
      },
      ["conversionReviewVersions"],
    ),
  },
  ["strategy"],
);

/** The schema and columns only: what makes a definition acceptable and Established is the registry's business. */
export const customResourceDefinitionKind: BuiltinKind = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  schema: kindSchema(
    "Defines a kind of custom resources.",
    {
      spec: record(
        "The definition.",
        {
          group: text("API group, such as ferrite.dev."),
          names,
          scope: text("Cluster or Namespaced. Cannot be changed."),
          versions: listOf("All versions, served or not.", version),
          conversion,
          preserveUnknownFields: flag("Must be false or absent."),
        },
        ["group", "names", "scope", "versions"],
      ),
      status: record("Written by the server.", {
        conditions: conditions("NamesAccepted, Established, Terminating …"),
        acceptedNames: { ...names, required: [] },
        storedVersions: listOf("Versions in which objects may still be stored.", text("A version.")),
        observedGeneration: int64("The metadata.generation that the status is about."),
      }),
    },
    ["spec"],
  ),
  status: true,
  columns: [{ name: "Created At", type: "string", jsonPath: ".metadata.creationTimestamp" }],
};
