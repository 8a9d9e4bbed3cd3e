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
  /** Behind an implicit first column Name, unless one of these is called Name (Events show theirs last). */
  readonly printerColumns: readonly PrinterColumn[];
  /** Field selectors beside metadata.name and metadata.namespace: dotted paths without a leading dot (`spec.hostName`). */
  readonly selectableFields: readonly string[];
  /** apiVersion under which objects are stored; objects are rewritten to the served version on the way out. */
  readonly storageApiVersion: string;
  /** `/registry/ferrite.dev/volumes`; keys are `<prefix>/<namespace>/<name>` or `<prefix>/<name>`. */
  readonly storagePrefix: string;
  /** When the stored shape differs from the served one by more than its apiVersion (events.k8s.io/v1 on core/v1). */
  readonly conversion?: Conversion;
  /** Nothing of this kind can be made here (Pods …): lists are empty, writes get 405 with this text. */
  readonly alwaysEmpty?: string;
  /** Only the server itself writes objects of this kind; others get 405 with this text. */
  readonly readOnly?: string;
  readonly strategy: Strategy;
  readonly deprecationWarning: string | undefined;
  /** Built-ins take protobuf bodies and strategic merge patches; custom resources do not. */
  readonly builtin: boolean;
}

/** Both functions return a new object; neither loses a field. */
export interface Conversion {
  toStorage(object: KubeObject): KubeObject;
  fromStorage(object: KubeObject): KubeObject;
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
  /** Built-in kinds: the value in place of the one at `jsonPath`, rendered by `type` all the same (a date is RFC 3339). */
  readonly cell?: (object: KubeObject) => string | number | boolean | undefined;
}

/**
 * What differs between kinds, beyond the schema. Every function is pure but for changes to `object` where it says so.
 * Of built-in kinds the schema has passed before any of them is called (as a typed decoder would have), so they may
 * rely on the types of the fields; of custom resources only `validate` may.
 */
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
  /** For writes to `/status`, after everything but the status has been taken from `old`. */
  prepareForStatusUpdate?(object: KubeObject, old: KubeObject, user: User): void;
  /** Checks that a schema cannot say. Runs for the main resource, `/status` and custom subresources alike. */
  validate?(object: KubeObject, old: KubeObject | undefined): readonly FieldError[];
  /** Name rule when it is not a DNS-1123 subdomain (RBAC allows colons). */
  validateName?(name: string): string | undefined;
}

/**
 * A writable view of one object, under the parent's own kind: `namespaces/x/finalize`, `certificatesigningrequests/x/approval`.
 * What answers with another kind is a `VirtualResource`.
 */
export interface CustomSubresource {
  readonly verbs: readonly ("get" | "update" | "patch")[];
  /** Takes everything from `old` that this endpoint does not write, in place. Metadata but its resourceVersion is `old`'s already. */
  prepareForUpdate(object: KubeObject, old: KubeObject, user: User): void;
}

/** A kind that is answered, not stored: access reviews, tokens. Takes POST only. */
export interface VirtualResource extends ResourceName {
  /** Of the path: `plural` and `subresource` are `serviceaccounts` and `token`; the latter is empty for a resource of its own. */
  readonly version: string;
  readonly subresource: string;
  readonly singular: string;
  readonly namespaced: boolean;
  /** Of body and answer, where they are not those of the path (TokenRequest is in authentication.k8s.io). */
  readonly bodyApiVersion: string;
  readonly schema: SchemaNode;
  readonly compiled: CompiledSchema;
  /** Answers 201 with the result. Throws ApiError. The body has been decoded, defaulted and validated. */
  create(request: VirtualRequest): Promise<KubeObject>;
}

export interface VirtualRequest {
  readonly user: User;
  /** Empty for cluster-scoped requests. */
  readonly namespace: string;
  /** Of the parent, for a subresource; else empty. */
  readonly name: string;
  readonly body: KubeObject;
}
