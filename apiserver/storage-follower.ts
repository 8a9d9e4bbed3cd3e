import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { ExpiredError } from "./storage/errors.ts";
import { listAll } from "./storage/list-all.ts";
import type { Storage, StorageEvent, Stored } from "./storage/types.ts";

export interface FollowerOptions {
  readonly storage: Storage;
  /** Ends in `/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** All that is there at `revision`; again after each gap. */
  readonly onList: (items: readonly Stored[], revision: number) => void;
  readonly onEvent: (event: Exclude<StorageEvent, { type: "progress" }>) => void;
}

const RETRY_MS = 1_000;

/**
 * Keeps something equal to what is stored under a prefix, whoever writes it. Resolves when the state now has been taken
 * in; then follows by itself, over gaps too, until `signal` aborts (`done` resolves).
 */
export async function followStorage(
  options: FollowerOptions,
  signal: AbortSignal,
): Promise<{ readonly done: Promise<void> }> {
  const revision = await relist(options);
  return { done: follow(options, revision, signal) };
}

async function follow(options: FollowerOptions, revision: number, signal: AbortSignal): Promise<void> {
  const { storage, prefix, clock, log } = options;
  let from = revision;
  while (!signal.aborted) {
    try {
      for await (const event of storage.watch(prefix, from, signal)) {
        from = event.type === "progress" ? event.revision : event.stored.revision;
        if (event.type !== "progress") options.onEvent(event);
      }
    } catch (error) {
      if (!(error instanceof ExpiredError)) log.warn({ err: error, prefix }, "watch of the store failed");
    }
    try {
      if (!signal.aborted) await sleep(clock, RETRY_MS, signal);
      if (!signal.aborted) from = await relist(options);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, prefix }, "list of the store failed");
    }
  }
}

async function relist({ storage, prefix, onList }: FollowerOptions): Promise<number> {
  const { items, revision } = await listAll(storage, prefix);
  onList(items, revision);
  return revision;
}
