import type { KubeObject } from "../../machinery/object.ts";
import type { User } from "../access/types.ts";
import type { CompiledSchema, SchemaNode } from "../schema/types.ts";
import type { FieldError, ResourceName } from "../status.ts";

export type Verb = "create" | "get" | "list" | "watch" | "update" | "patch" | "delete" | "deletecollection";

/** One served version of one resource, built-in or from a CRD: everything that the verbs need to know. */
export interface Resource extends ResourceName {
  readonly version: string;
  readonly singular: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly schema: SchemaNode;
  readonly compiled: CompiledSchema;
  /** Subresources beside the object itself; built-ins add more by `custom`. */
  readonly status: boolean;
  readonly scale: ScalePaths | undefined;
  readonly custom: Readonly<Record<string, CustomSubresource>>;
  readonly printerColumns: readonly PrinterColumn[];
  /** Field selectors beside metadata.name and metadata.namespace: name -> JSON path. */
  readonly selectableFields: readonly string[];
  /** apiVersion under which objects are stored; objects are rewritten to the served version on the way out. */
  readonly storageApiVersion: string;
  /** `/registry/ferrite.dev/volumes`; keys are `<prefix>/<namespace>/<name>` or `<prefix>/<name>`. */
  readonly storagePrefix: string;
  readonly strategy: Strategy;
  readonly deprecationWarning: string | undefined;
  /** Built-ins take protobuf bodies and strategic merge patches; custom resources do not. */
  readonly builtin: boolean;
}

export interface ScalePaths {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath: string | undefined;
}

/** additionalPrinterColumns of a CRD version. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

/** What differs between kinds, beyond the schema. Every function is pure but for changes to `object` where it says so. */
export interface Strategy {
  /** Custom resources: a PUT needs a resourceVersion. */
  readonly allowUnconditionalUpdate: boolean;
  readonly allowCreateOnUpdate: boolean;
  readonly defaultDeletePropagation: "Background" | "Orphan";
  /** Seconds after which the store drops the object; Events. */
  readonly ttlSeconds?: number;
  /** Fixes up a new object in place (drop status, merge stringData, set phase …). */
  prepareForCreate?(object: KubeObject, user: User): void;
  prepareForUpdate?(object: KubeObject, old: KubeObject, user: User): void;
  /** Checks that a schema cannot say. */
  validate?(object: KubeObject, old: KubeObject | undefined): readonly FieldError[];
  /** Name rule when it is not a DNS-1123 subdomain (RBAC allows colons). */
  validateName?(name: string): string | undefined;
}

/** An action on one object that is not the object itself: `namespaces/x/finalize`, `serviceaccounts/x/token`. */
export interface CustomSubresource {
  readonly verbs: readonly ("create" | "get" | "update" | "patch")[];
  /** Kind of the body and the answer, when they are not the parent's (TokenRequest). */
  readonly kind?: { readonly group: string; readonly version: string; readonly kind: string };
}
