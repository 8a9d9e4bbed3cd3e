import type { KubeObject } from "../../machinery/object.ts";

/**
 * The only door to etcd. Callers see objects and revisions; never key encoding, transactions or gRPC codes.
 *
 * Keys are Kubernetes' own (`/registry/ferrite.dev/volumes/<namespace>/<name>`), values are JSON without
 * `metadata.resourceVersion`; a revision is etcd's mod revision as a number (safe up to 2^53).
 * Two implementations, `etcd/` and `memory.ts`, pass one conformance suite.
 */
export interface Storage {
  /** Linearizable read. `undefined` means that the key is provably absent at `revision`. */
  get(key: string): Promise<{ readonly stored: Stored | undefined; readonly revision: number }>;
  /** One consistent page in key order. Throws ExpiredError when `revision` has been compacted. */
  list(prefix: string, page: PageRequest): Promise<Page>;
  /** Throws KeyExistsError when the key is there. `ttlSeconds`: deleted by the store after that time, at the earliest. */
  create(key: string, object: KubeObject, options?: { readonly ttlSeconds?: number }): Promise<Stored>;
  /** Compare-and-set on the mod revision. Throws RevisionMismatchError, with what is there now. */
  replace(
    key: string,
    expectRevision: number,
    object: KubeObject,
    options?: { readonly ttlSeconds?: number },
  ): Promise<Stored>;
  /** Compare-and-delete. Returns the last state; its `revision` is the revision of the delete. */
  delete(key: string, expectRevision: number): Promise<Stored>;
  /**
   * Every event after `afterRevision`, once and in order, until `signal` aborts; reconnects by itself. Throws
   * ExpiredError when events after `afterRevision` have been compacted away: then the caller lists again.
   */
  watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<StorageEvent>;
  /** The store's revision now, linearizable. */
  currentRevision(): Promise<number>;
  /** Drops history up to `revision`; reads and watches below it get ExpiredError. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

export interface Stored {
  readonly key: string;
  /** With `metadata.resourceVersion` set to `revision`. Never changed in place: it is shared by all readers. */
  readonly object: KubeObject;
  readonly revision: number;
}

export interface PageRequest {
  readonly limit: number;
  /** Only keys greater than this one. */
  readonly after?: string;
  /** Read the state as of this revision; absent: now. */
  readonly revision?: number;
}

export interface Page {
  readonly items: readonly Stored[];
  /** The revision at which the page was read: all pages of one list carry that of the first. */
  readonly revision: number;
  readonly more: boolean;
  /** Number of keys behind this page. */
  readonly remaining: number;
}

export type StorageEvent =
  | { readonly type: "put"; readonly stored: Stored; readonly previous: Stored | undefined }
  /** `stored` is the last state, with the revision of the delete. */
  | { readonly type: "delete"; readonly stored: Stored; readonly previous: Stored }
  /** All events up to `revision` have been delivered. */
  | { readonly type: "progress"; readonly revision: number };
