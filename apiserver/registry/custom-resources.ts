import type { KubeObject } from "../../machinery/object.ts";
import { compileOnUse } from "../builtin/builtin-kind.ts";
import { compileSchema } from "../schema/compile.ts";
import type { SchemaNode } from "../schema/types.ts";
import type { PrinterColumn, Resource, ScalePaths, Strategy, Verb } from "./types.ts";

/** apiextensions.k8s.io/v1 CustomResourceDefinition, once it has passed validation. */
export interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string;
    names: CrdNames;
    scope: "Cluster" | "Namespaced";
    versions: CrdVersion[];
    conversion?: { strategy: string };
  };
  status?: {
    conditions?: CrdCondition[];
    acceptedNames?: Partial<CrdNames>;
    storedVersions?: string[];
    observedGeneration?: number;
  };
}

export interface CrdNames {
  plural: string;
  singular?: string;
  kind: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
}

export interface CrdVersion {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: { openAPIV3Schema?: SchemaNode };
  subresources?: { status?: object; scale?: ScalePaths };
  additionalPrinterColumns?: PrinterColumn[];
  selectableFields?: { jsonPath: string }[];
}

export interface CrdCondition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  lastTransitionTime: string;
}

const ALL_VERBS: readonly Verb[] = ["create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"];
const AGE: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "When the object was created",
};
const STRATEGY: Strategy = {
  allowUnconditionalUpdate: false,
  allowCreateOnUpdate: false,
  defaultDeletePropagation: "Background",
};

/** Where the objects of a definition are stored, whatever their version. */
export const crdStoragePrefix = ({ spec }: CustomResourceDefinition): string =>
  `/registry/${spec.group}/${spec.names.plural}`;

/** The served versions of a definition. A definition that is being deleted takes no new objects. */
export function customResources(crd: CustomResourceDefinition): readonly Resource[] {
  return crd.spec.versions.filter(({ served }) => served).map((version) => customResource(crd, version));
}

function customResource(crd: CustomResourceDefinition, version: CrdVersion): Resource {
  const { spec } = crd;
  const { names } = spec;
  const storage = spec.versions.find((each) => each.storage) ?? version;
  const schema = version.schema?.openAPIV3Schema ?? {
    type: "object",
    "x-kubernetes-preserve-unknown-fields": true,
  };
  const terminating = crd.metadata.deletionTimestamp !== undefined;
  return {
    group: spec.group,
    version: version.name,
    plural: names.plural,
    kind: names.kind,
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
    namespaced: spec.scope === "Namespaced",
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: terminating ? ALL_VERBS.filter((verb) => verb !== "create") : ALL_VERBS,
    schema,
    compiled: compileOnUse(schema, compileSchema),
    status: version.subresources?.status !== undefined,
    scale: version.subresources?.scale,
    custom: {},
    printerColumns: version.additionalPrinterColumns ?? [AGE],
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, "")),
    storageApiVersion: `${spec.group}/${storage.name}`,
    storagePrefix: crdStoragePrefix(crd),
    strategy: STRATEGY,
    deprecationWarning: deprecation(crd, version),
    builtin: false,
  };
}

function deprecation({ spec }: CustomResourceDefinition, version: CrdVersion): string | undefined {
  if (version.deprecated !== true) return undefined;
  return version.deprecationWarning ?? `${spec.group}/${version.name} ${spec.names.kind} is deprecated`;
}
