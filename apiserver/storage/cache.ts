import { backoffMs } from "../../machinery/backoff.ts";
import { type Clock, sleep } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Random } from "../../machinery/random.ts";
import { CacheEvent } from "./cache-event.ts";
import { CacheBehindError, CacheDivergedError, ExpiredError, StorageUnavailableError } from "./errors.ts";
import { EventWindow, type WindowLimits } from "./event-window.ts";
import { listAll } from "./list-all.ts";
import { replayUpTo } from "./replay.ts";
import type { RevisionSource } from "./revision-source.ts";
import { SortedItems } from "./sorted-items.ts";
import { Subscription } from "./subscription.ts";
import type { Page, Storage, StorageChange, Stored, StorageWatch } from "./types.ts";

export interface CacheOptions {
  readonly storage: Storage;
  /** `/registry/ferrite.dev/volumes/`, with the slash at the end. */
  readonly prefix: string;
  /** One for all caches of a store. */
  readonly revisions: RevisionSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What is kept for watches that come back; default 4,096 events and 4 MiB. Older events are read from the store. */
  readonly windowEvents?: number;
  readonly windowBytes?: number;
  /** Most events that wait for one slow watch; default 1,024. */
  readonly bufferEvents?: number;
  /** How long `waitFor` waits; default 3,000. */
  readonly waitTimeoutMs?: number;
}

const RETRY = { baseMs: 50, maxMs: 2000, jitter: 0.5 };
const PROGRESS_RETRY_MS = 20;

const windowLimits = ({ windowEvents = 4096, windowBytes = 4 * 2 ** 20 }: CacheOptions): WindowLimits => ({
  events: windowEvents,
  bytes: windowBytes,
});

interface Waiter {
  readonly revision: number;
  readonly settle: (error?: Error) => void;
}

/**
 * All objects of one resource in memory, fed by one watch; serves reads and any number of watches in one order. The
 * state and the events always belong together: between two turns of the event loop they are at one revision.
 *
 * When its own watch has lost events (compacted while the store was away) it lists again and fails all
 * subscriptions with ExpiredError: it cannot tell them what they have missed.
 */
export class ResourceCache {
  readonly #options: CacheOptions;
  readonly #stopping = new AbortController();
  readonly #subscriptions = new Set<Subscription>();
  readonly #waiters = new Set<Waiter>();
  #asking = false;
  #items = new SortedItems();
  #window: EventWindow;
  #revision = 0;
  #watch: StorageWatch | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#window = new EventWindow(windowLimits(options), 0);
  }

  /** Begins to follow the store; `ready` tells when there is something to read. */
  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the first list is in; throws CacheBehindError when it takes too long. */
  async ready(): Promise<void> {
    await this.waitFor(1);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const subscription of this.#subscriptions) subscription.close();
    const stopped = new StorageUnavailableError("the cache is stopped", { applied: "no" });
    for (const waiter of this.#waiters) waiter.settle(stopped);
    await this.#running;
  }

  /** Everything up to here is in the cache; 0 before the first list. */
  get revision(): number {
    return this.#revision;
  }

  get(key: string): Stored | undefined {
    this.#assertReady();
    return this.#items.get(key);
  }

  /** The objects below `prefix` (default: all) at the cache's revision, in key order. */
  list(prefix = this.#options.prefix, page: { readonly limit?: number; readonly after?: string } = {}): Page {
    this.#assertReady();
    const { limit = Number.MAX_SAFE_INTEGER, after = "" } = page;
    return { ...this.#items.page(prefix, limit, after), revision: this.#revision };
  }

  /**
   * Resolves when the cache is at `revision` or later; throws CacheBehindError when that takes too long.
   */
  async waitFor(revision: number): Promise<void> {
    if (this.#revision >= revision) return;
    const { clock, prefix, waitTimeoutMs = 3000 } = this.#options;
    // Whoever waits for as much has asked already.
    const asked = [...this.#waiters].some((waiter) => waiter.revision >= revision);
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        cancel();
        this.#waiters.delete(waiter);
        if (error === undefined) resolve();
        else reject(error);
      };
      const waiter = { revision, settle };
      const tooLate = () => settle(new CacheBehindError(prefix, revision, this.#revision));
      const cancel = clock.schedule(waitTimeoutMs, tooLate);
      this.#waiters.add(waiter);
      if (!asked) this.#watch?.requestProgress();
      this.#keepAsking();
    });
  }

  /** Resolves when the cache has every write that was acknowledged before this call. */
  async fresh(): Promise<void> {
    await this.waitFor(await this.#options.revisions.read());
  }

  /**
   * The events after `afterRevision` below `prefix`, then what happens from now on. `list` and then, in the same turn
   * of the event loop, `subscribe(list.revision)` miss nothing. What the window no longer has is read from the
   * store; the iteration throws ExpiredError when that has it no more either.
   */
  subscribe(afterRevision: number, prefix = this.#options.prefix): Subscription {
    this.#assertReady();
    const closing = new AbortController();
    const subscription = new Subscription({
      prefix,
      afterRevision,
      bufferEvents: this.#options.bufferEvents ?? 1024,
      cacheRevision: () => this.#revision,
      backlog: this.#backlog(afterRevision, prefix, closing.signal),
      onClose: (closed) => {
        this.#subscriptions.delete(closed);
        closing.abort();
      },
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** What has happened below `prefix` from `afterRevision` until now. */
  #backlog(afterRevision: number, prefix: string, signal: AbortSignal): Subscription["backlog"] {
    if (afterRevision >= this.#window.afterRevision) {
      const events = this.#window.after(afterRevision).filter(({ stored }) => stored.key.startsWith(prefix));
      return events.length === 0 ? [] : [events];
    }
    const { storage, clock } = this.#options;
    return replayUpTo({ storage, clock, prefix, afterRevision, upTo: this.#revision, signal });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random, log, prefix } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#listAgain();
        failures = 0;
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        log.warn({ err: error, prefix, failures }, "cache lost its watch, listing again");
        await sleep(clock, backoffMs(RETRY, failures, random), signal).catch(() => {});
      }
    }
  }

  async #listAgain(): Promise<void> {
    const { storage, prefix } = this.#options;
    const { items, revision } = await listAll(storage, prefix);
    const next = new SortedItems();
    for (const stored of items) next.set(stored);
    for (const subscription of this.#subscriptions) subscription.cut(new ExpiredError(this.#revision, revision));
    this.#items = next;
    this.#window = new EventWindow(windowLimits(this.#options), revision);
    this.#moveTo(revision);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { storage, prefix } = this.#options;
    const watch = storage.watch(prefix, this.#revision, signal);
    this.#watch = watch;
    let changes: StorageChange[] = [];
    for await (const event of watch) {
      if (event.type === "progress") {
        this.#moveTo(event.revision);
        continue;
      }
      changes.push(event);
      // A revision is taken whole: a list between two of its events would belong to no revision.
      if (event.more === true) continue;
      this.#take(changes);
      changes = [];
    }
  }

  #take(changes: readonly StorageChange[]): void {
    for (const change of changes) {
      const event = this.#apply(change);
      this.#window.push(event);
      for (const subscription of this.#subscriptions) subscription.push(event);
    }
    this.#moveTo(changes.at(-1)?.stored.revision ?? this.#revision);
  }

  #apply({ type, stored, previous }: StorageChange): CacheEvent {
    const known = this.#items.get(stored.key);
    // The state before the change must be the one that is here, or an event was lost on the way.
    if (known?.revision !== previous?.revision) throw new CacheDivergedError(stored, known, previous);
    if (type === "put") this.#items.set(stored);
    else this.#items.delete(stored.key);
    // `known` rather than `previous`: it is parsed already.
    return new CacheEvent(type, stored, known);
  }

  #moveTo(revision: number): void {
    this.#revision = revision;
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.settle();
  }

  /** As long as somebody waits: a watch that is just being opened, or still catching up, ignores the request. */
  #keepAsking(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#options.clock.schedule(PROGRESS_RETRY_MS, () => {
      this.#asking = false;
      if (this.#waiters.size === 0) return;
      this.#watch?.requestProgress();
      this.#keepAsking();
    });
  }

  #assertReady(): void {
    if (this.#revision > 0) return;
    throw new StorageUnavailableError(`the cache of ${this.#options.prefix} is not filled yet`, { applied: "no" });
  }
}
