import type { KubeObject } from "../../machinery/object.ts";

/**
 * The only door to etcd. Callers see objects and revisions; never key encoding, transactions or gRPC codes.
 *
 * Keys are Kubernetes' own (`/registry/ferrite.dev/volumes/<namespace>/<name>`), values are JSON without
 * `metadata.resourceVersion`; a revision is etcd's mod revision as a number (safe up to 2^53).
 * Two implementations, `etcd/` and `memory.ts`, pass one conformance suite. Every method may throw
 * StorageUnavailableError; after a write with `applied: "unknown"` only the next read tells what happened.
 */
export interface Storage {
  /** Linearizable read. `undefined` means that the key is provably absent at `revision`. */
  get(key: string): Promise<{ readonly stored: Stored | undefined; readonly revision: number }>;
  /**
   * One consistent page of the keys that start with `prefix`, in key order. Throws ExpiredError when `revision` has
   * been compacted, FutureRevisionError when the store is not that far.
   */
  list(prefix: string, page: PageRequest): Promise<Page>;
  /** Throws KeyExistsError when the key is there. */
  create(key: string, object: KubeObject, options?: WriteOptions): Promise<Stored>;
  /** Compare-and-set on the mod revision. Throws RevisionMismatchError, with what is there now. */
  replace(key: string, expectRevision: number, object: KubeObject, options?: WriteOptions): Promise<Stored>;
  /**
   * Compare-and-delete. Returns the last state; its `revision` is the revision of the delete. Throws
   * RevisionMismatchError, with what is there now.
   */
  delete(key: string, expectRevision: number): Promise<Stored>;
  /**
   * Every event after `afterRevision` of keys that start with `prefix`, once and in order, until `signal` aborts
   * (then it ends); reconnects by itself. Throws ExpiredError when events after `afterRevision` have been compacted
   * away (`afterRevision` below the compact revision): then the caller lists again. A revision in the future waits.
   */
  watch(prefix: string, afterRevision: number, signal: AbortSignal): StorageWatch;
  /** The store's revision now, linearizable. */
  currentRevision(): Promise<number>;
  /**
   * Drops history up to `revision`: reads below it and watches after less than it get ExpiredError. Compacting what
   * is compacted does nothing. Throws FutureRevisionError when the store is not that far.
   */
  compact(revision: number): Promise<void>;
  /** Ends all watches. */
  close(): Promise<void>;
}

export interface WriteOptions {
  /** Deleted by the store after that time, at the earliest; absent: lives until it is deleted, whatever it had before. */
  readonly ttlSeconds?: number;
}

/** One consumer, once: a second iteration is an error. */
export interface StorageWatch extends AsyncIterable<StorageEvent> {
  /** Asks for a `progress` event soon. May be ignored (not caught up, disconnected): ask again. */
  requestProgress(): void;
}

export interface Stored {
  readonly key: string;
  /**
   * With `metadata.resourceVersion` set to `revision`. Never changed in place: it is shared by all readers. Parsed on
   * first use, and again when it was not used for long; throws CorruptValueError when it is no object.
   */
  readonly object: KubeObject;
  readonly revision: number;
  /** The text in the store. `isUnchanged` compares with it, `renderStored` makes the wire form of it (`value.ts`). */
  readonly value: string;
}

export interface PageRequest {
  /** At least 1. */
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
  | {
      readonly type: "put";
      readonly stored: Stored;
      readonly previous: Stored | undefined;
      readonly more?: boolean;
    }
  /** `stored` is the last state, with the revision of the delete. */
  | { readonly type: "delete"; readonly stored: Stored; readonly previous: Stored; readonly more?: boolean }
  /** All events up to `revision` have been delivered. */
  | { readonly type: "progress"; readonly revision: number };

/** `more`: further events of the same revision follow (keys that expire together are deleted in one revision). */
export type StorageChange = Exclude<StorageEvent, { type: "progress" }>;
