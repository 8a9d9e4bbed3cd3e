import { OperatorError } from "../../machinery/errors.ts";
import type { Stored } from "./types.ts";

export class KeyExistsError extends OperatorError {
  readonly reason = "AlreadyExists";
  readonly key: string;
  constructor(key: string) {
    super(`key ${key} exists`);
    this.key = key;
  }
}

/** The key was changed or deleted by somebody else; `current` is what is there now (`undefined`: nothing). */
export class RevisionMismatchError extends OperatorError {
  readonly reason = "Conflict";
  readonly key: string;
  readonly current: Stored | undefined;
  constructor(key: string, expected: number, current: Stored | undefined) {
    super(`key ${key}: expected revision ${expected}, found ${current?.revision ?? "none"}`);
    this.key = key;
    this.current = current;
  }
}

/** The revision asked for has been compacted away. */
export class ExpiredError extends OperatorError {
  readonly reason = "Expired";
  readonly requested: number;
  /** Reads at this revision, and watches after it, still work. */
  readonly compactRevision: number;
  constructor(requested: number, compactRevision: number, options?: ErrorOptions) {
    super(`revision ${requested} is too old (${compactRevision})`, options);
    this.requested = requested;
    this.compactRevision = compactRevision;
  }
}

/** The revision asked for is later than the newest that the store has. */
export class FutureRevisionError extends OperatorError {
  readonly reason = "FutureRevision";
  readonly requested: number;
  constructor(requested: number, options?: ErrorOptions) {
    super(`revision ${requested} is later than the store's newest`, options);
    this.requested = requested;
  }
}

/** The store did not answer, or not in time, or takes no writes (no quorum, out of space). */
export class StorageUnavailableError extends OperatorError {
  readonly reason = "ServiceUnavailable";
  /**
   * `no`: nothing was written, trying again is safe. `unknown`: a write may have been applied, or may yet be: only
   * the next read tells.
   */
  readonly applied: "no" | "unknown";
  constructor(message: string, options: ErrorOptions & { readonly applied: "no" | "unknown" }) {
    super(message, options);
    this.applied = options.applied;
  }
}

/** The value is larger than the store takes (etcd: 1.5 MiB unless configured). Nothing was written. */
export class ValueTooLargeError extends OperatorError {
  readonly reason = "RequestEntityTooLarge";
  override readonly retry = "never";
}

/** What is stored under the key is not a JSON object (for example written as protobuf by another API server). */
export class CorruptValueError extends OperatorError {
  readonly reason = "InternalError";
  readonly key: string;
  constructor(key: string, options?: ErrorOptions) {
    super(`the value of key ${key} is not a Kubernetes object in JSON`, options);
    this.key = key;
  }
}

/** A watch was too slow for the changes it watches and has been cut: list again. */
export class SlowConsumerError extends OperatorError {
  readonly reason = "Expired";
  constructor(prefix: string, bufferEvents: number) {
    super(`a watch on ${prefix} fell behind by more than ${bufferEvents} events`);
  }
}

/** The cache has not seen the revision asked for in time: the store is ahead, or has never been there. */
export class CacheBehindError extends OperatorError {
  readonly reason = "Timeout";
  readonly requested: number;
  readonly revision: number;
  constructor(prefix: string, requested: number, revision: number) {
    super(`the cache of ${prefix} is at revision ${revision}, not yet at ${requested}`);
    this.requested = requested;
    this.revision = revision;
  }
}

/** A cache's state and the store's events do not fit together; it lists again. Would be a bug, or a store put back. */
export class CacheDivergedError extends OperatorError {
  readonly reason = "InternalError";
  constructor(changed: Stored, known: Stored | undefined, previous: Stored | undefined) {
    const was = `was at revision ${previous?.revision ?? "none"}`;
    super(`key ${changed.key} ${was} before revision ${changed.revision}, here at ${known?.revision ?? "none"}`);
  }
}
