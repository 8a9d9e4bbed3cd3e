import type { Conversion, CustomSubresource, PrinterColumn, Resource, Strategy, Verb } from "../registry/types.ts";
import type { CompiledSchema, CompileSchema, SchemaNode } from "../schema/types.ts";

/** What is special about one built-in kind; `builtinResource` fills in the rest. */
export interface BuiltinKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular?: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly schema: SchemaNode;
  readonly status?: boolean;
  readonly scale?: Resource["scale"];
  readonly custom?: Readonly<Record<string, CustomSubresource>>;
  readonly columns?: readonly PrinterColumn[];
  readonly selectableFields?: readonly string[];
  readonly strategy?: Partial<Strategy>;
  /** Where and as what it is stored, when that is not its own group and version. */
  readonly storedAs?: { readonly apiVersion: string; readonly prefix: string; readonly conversion: Conversion };
  readonly alwaysEmpty?: string;
  readonly readOnly?: string;
  readonly verbs?: readonly Verb[];
}

const ALL_VERBS: readonly Verb[] = ["create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"];

const READ_VERBS: readonly Verb[] = ["get", "list", "watch"];

export const AGE: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

const DEFAULT_STRATEGY: Strategy = {
  allowUnconditionalUpdate: true,
  allowCreateOnUpdate: false,
  defaultDeletePropagation: "Background",
};

export const apiVersionOf = (kind: Pick<BuiltinKind, "group" | "version">): string =>
  kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;

/**
 * Where Kubernetes keeps a built-in kind: `/registry/<plural>` for its old groups, which are unique in their plurals,
 * `/registry/<group>/<plural>` for those that came later as extensions.
 */
function storagePrefix({ group, plural }: BuiltinKind): string {
  if (group === "apiextensions.k8s.io" || group === "apiregistration.k8s.io") return `/registry/${group}/${plural}`;
  if (plural === "nodes") return "/registry/minions";
  if (plural === "services") return "/registry/services/specs";
  if (plural === "endpoints") return "/registry/services/endpoints";
  return `/registry/${plural}`;
}

export function builtinResource(kind: BuiltinKind, compile: CompileSchema): Resource {
  return {
    group: kind.group,
    version: kind.version,
    kind: kind.kind,
    plural: kind.plural,
    singular: kind.singular ?? kind.kind.toLowerCase(),
    listKind: `${kind.kind}List`,
    namespaced: kind.namespaced,
    shortNames: kind.shortNames ?? [],
    categories: kind.categories ?? [],
    verbs: kind.verbs ?? (kind.alwaysEmpty === undefined && kind.readOnly === undefined ? ALL_VERBS : READ_VERBS),
    schema: kind.schema,
    compiled: compileOnUse(kind.schema, compile),
    status: kind.status ?? false,
    scale: kind.scale,
    custom: kind.custom ?? {},
    printerColumns: kind.columns ?? [AGE],
    selectableFields: kind.selectableFields ?? [],
    storageApiVersion: kind.storedAs?.apiVersion ?? apiVersionOf(kind),
    storagePrefix: kind.storedAs?.prefix ?? storagePrefix(kind),
    ...(kind.storedAs === undefined ? {} : { conversion: kind.storedAs.conversion }),
    ...(kind.alwaysEmpty === undefined ? {} : { alwaysEmpty: kind.alwaysEmpty }),
    ...(kind.readOnly === undefined ? {} : { readOnly: kind.readOnly }),
    strategy: { ...DEFAULT_STRATEGY, ...kind.strategy },
    deprecationWarning: undefined,
    builtin: true,
  };
}

/** Most built-in kinds are never written in one process's life: their schemas are compiled at the first use. */
export function compileOnUse(schema: SchemaNode, compile: CompileSchema): CompiledSchema {
  let compiled: CompiledSchema | undefined;
  const get = (): CompiledSchema => (compiled ??= compile(schema));
  return {
    root: schema,
    prune: (object) => get().prune(object),
    applyDefaults: (object) => get().applyDefaults(object),
    validate: (object, old) => get().validate(object, old),
  };
}
