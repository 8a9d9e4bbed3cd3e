import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { Caches } from "./caches.ts";
import type { CacheEvent } from "./storage/cache-event.ts";
import { ExpiredError } from "./storage/errors.ts";
import type { Subscription } from "./storage/subscription.ts";
import type { Stored } from "./storage/types.ts";

export interface FollowerOptions {
  readonly caches: Pick<Caches, "of">;
  /** Without `/` at the end. */
  readonly storagePrefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** All that is there at `revision`; again after each gap. */
  readonly onList: (items: readonly Stored[], revision: number) => void;
  readonly onEvent: (event: CacheEvent) => void;
}

const RETRY_MS = 1_000;

/**
 * Keeps something equal to what is stored under a prefix, whoever writes it. Resolves when the state now has been taken
 * in; then follows by itself, over gaps too, until `signal` aborts (`done` resolves). It shares the cache, and so the
 * one watch of the store, with everybody who asks for that kind.
 */
export async function followStorage(
  options: FollowerOptions,
  signal: AbortSignal,
): Promise<{ readonly done: Promise<void> }> {
  const subscription = await relist(options);
  return { done: follow(options, subscription, signal) };
}

async function follow(options: FollowerOptions, first: Subscription, signal: AbortSignal): Promise<void> {
  const { storagePrefix, clock, log } = options;
  let subscription = first;
  const stop = (): void => subscription.close();
  signal.addEventListener("abort", stop, { once: true });
  while (!signal.aborted) {
    try {
      for await (const events of subscription) events.forEach(options.onEvent);
    } catch (error) {
      if (!(error instanceof ExpiredError)) log.warn({ err: error, storagePrefix }, "lost the watch of a kind");
    }
    try {
      if (!signal.aborted) await sleep(clock, RETRY_MS, signal);
      if (!signal.aborted) subscription = await relist(options);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, storagePrefix }, "cannot read a kind");
    }
  }
  stop();
}

async function relist({ caches, storagePrefix, onList }: FollowerOptions): Promise<Subscription> {
  const cache = await caches.of({ storagePrefix });
  // List and subscription in one turn of the event loop: nothing can come between them.
  const { items, revision } = cache.list();
  onList(items, revision);
  return cache.subscribe(revision);
}
