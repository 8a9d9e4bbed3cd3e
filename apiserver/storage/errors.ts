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
  readonly current: Stored | undefined;
  constructor(key: string, expected: number, current: Stored | undefined) {
    super(`key ${key}: expected revision ${expected}, found ${current?.revision ?? "none"}`);
    this.current = current;
  }
}

/** The revision asked for has been compacted away. */
export class ExpiredError extends OperatorError {
  readonly reason = "Expired";
  readonly compactRevision: number;
  constructor(requested: number, compactRevision: number) {
    super(`revision ${requested} is too old (${compactRevision})`);
    this.compactRevision = compactRevision;
  }
}

/** The store did not answer, or not in time: the outcome of a write is unknown. */
export class StorageUnavailableError extends OperatorError {
  readonly reason = "ServiceUnavailable";
}
