import { type BackoffPolicy, backoffMs } from "../machinery/backoff.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { Random } from "../machinery/random.ts";
import { ApiStatusError, isExpired, ProtocolError, SilentWatchError } from "./errors.ts";
import { type ApiObject, objectKey, resourceName } from "./api-object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import type { RestClient, Selection } from "./rest.ts";
import { type Cache, type Change, type Indexer, Store } from "./store.ts";
import { isInitialEventsEnd, type WatchEvent } from "./watch-stream.ts";

/**
 * Whether the cache follows the API right now. `sinceMs` is monotonic: when the unbroken sight began, or when the last
 * byte came before it was lost. What is not in a cache that is blind may exist all the same.
 */
export type Sight =
  | { readonly kind: "synced"; readonly sinceMs: number }
  | { readonly kind: "blind"; readonly sinceMs: number; readonly why: string };

export interface ReflectorOptions<T extends ApiObject> extends Selection {
  readonly client: Pick<RestClient, "list" | "watch">;
  readonly type: ResourceType<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly indexers?: Readonly<Record<string, Indexer<T>>>;
  /** A watch that brings nothing, not even a bookmark, for so long is torn down. Servers send a bookmark each minute. */
  readonly silenceMs?: number;
  readonly backoff?: BackoffPolicy;
}

const SILENCE_MS = 90_000;
/** The longest pause adds to how late a dead host is noticed after an outage, so it stays well below a Lease's life. */
const BACKOFF: BackoffPolicy = { baseMs: 200, maxMs: 5_000, jitter: 0.5 };
/** A watch that ends sooner is a failure: else a server that closes at once is asked in a tight loop. */
const SHORT_WATCH_MS = 1000;
/** A new watch that has no headers after it sees nothing. */
const ANSWER_MS = 2000;
/** Then it is given up: a request that was sent into an outage may hang long after it. */
const UNANSWERED_MS = 8000;
/** The server ends a watch after 5 to 10 minutes: spreads the clients over several servers again. */
const WATCH_SECONDS = 300;

/**
 * Keeps a cache equal to a collection: list, then watch from there, for as long as it runs; whatever fails is tried
 * again with jittered back-off. Uses streaming lists where the server has them. Changes are told in order, each once;
 * after a gap the missed deletes are told too. It never takes an object for gone because it cannot see.
 */
export class Reflector<T extends ApiObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #store: Store<T>;
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #sightListeners = new Set<(sight: Sight) => void>();
  readonly #silenceMs: number;
  #sight: Sight;
  #listed = Promise.withResolvers<void>();
  #hasListed = false;
  #resourceVersion: string | undefined;
  #streamingLists = true;
  #complained = false;
  #lastByteMs: number;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#store = new Store(options.indexers);
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#lastByteMs = options.clock.monotonicMs();
    this.#sight = { kind: "blind", sinceMs: this.#lastByteMs, why: "not started" };
  }

  get cache(): Cache<T> {
    return this.#store;
  }

  get sight(): Sight {
    return this.#sight;
  }

  /** True once the cache holds a whole list; stays true while it is blind. */
  get hasListed(): boolean {
    return this.#hasListed;
  }

  /** Resolves when the cache holds its first whole list. */
  whenListed(): Promise<void> {
    return this.#listed.promise;
  }

  addIndex(name: string, indexer: Indexer<T>): void {
    this.#store.addIndex(name, indexer);
  }

  /** What is in the cache already comes first, as `added`. A listener that throws is logged and called again next time. */
  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.add(listener);
    for (const object of this.#store.list()) this.#tell(listener, { kind: "added", object });
  }

  onSight(listener: (sight: Sight) => void): void {
    this.#sightListeners.add(listener);
    listener(this.#sight);
  }

  /** Runs until the signal fires; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, backoff = BACKOFF } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const error = await this.#session(signal).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (signal.aborted) break;
      const short = clock.monotonicMs() - startedMs < SHORT_WATCH_MS;
      if (error === undefined && !short) {
        failures = 0; // its time was up: the next one goes on from the same revision at once
        continue;
      }
      failures = short ? failures + 1 : 1;
      this.#lose(error);
      const asked = error instanceof ApiStatusError ? (error.retryAfterMs ?? 0) : 0;
      const pauseMs = Math.max(asked, backoffMs(backoff, failures, random));
      await sleep(clock, pauseMs, signal).catch(() => undefined); // rejects only when the signal fires
    }
    this.#setSight({ kind: "blind", sinceMs: clock.monotonicMs(), why: "stopped" });
  }

  /** One watch, with a list before it where there is no revision to go on from. Returns when the server ends it. */
  async #session(signal: AbortSignal): Promise<void> {
    if (this.#resourceVersion === undefined && !this.#streamingLists) await this.#list(signal);
    if (this.#resourceVersion !== undefined) return this.#watch(signal);
    try {
      await this.#watch(signal);
    } catch (error) {
      if (!isRefusedStreaming(error) || this.#resourceVersion !== undefined) throw error;
      this.#streamingLists = false;
      return this.#session(signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, type } = this.#options;
    const { items, resourceVersion } = await client.list(type, this.#selection(), signal);
    this.#replace(items, resourceVersion);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, type, random } = this.#options;
    const initial = this.#resourceVersion === undefined ? new Map<string, T>() : undefined;
    const guard = this.#guardSilence(signal);
    try {
      const options = {
        ...this.#selection(),
        ...(initial === undefined ? { resourceVersion: this.#resourceVersion } : { sendInitialEvents: true }),
        timeoutSeconds: Math.round(WATCH_SECONDS * (1 + random.next())),
        onBytes: () => this.#heard(),
      };
      for await (const event of client.watch(type, options, guard.signal)) this.#take(event, initial);
    } finally {
      guard.stop();
    }
  }

  #take(event: WatchEvent<T>, initial: Map<string, T> | undefined): void {
    // While the state streams in, there is no revision yet that a new watch could go on from.
    if (this.#resourceVersion === undefined && initial !== undefined) return this.#takeInitial(event, initial);
    const revision = event.object.metadata.resourceVersion ?? "";
    if (isBefore(revision, this.#resourceVersion))
      throw new ProtocolError(`the server went back from revision ${this.#resourceVersion} to ${revision}`);
    if (event.type !== "BOOKMARK") {
      const changes = event.type === "DELETED" ? this.#store.delete(event.object) : this.#store.set(event.object);
      this.#tellAll(changes);
    }
    this.#resourceVersion = revision;
  }

  /** The state comes as ADDED; changes that happen while it streams may follow before the bookmark that ends it. */
  #takeInitial(event: WatchEvent<T>, initial: Map<string, T>): void {
    if (isInitialEventsEnd(event)) {
      this.#replace([...initial.values()], event.object.metadata.resourceVersion ?? "");
      initial.clear();
      this.#heard();
    } else if (event.type === "BOOKMARK") {
      throw new ProtocolError("a bookmark before the end of the streaming list: the server does not know them");
    } else if (event.type === "DELETED") initial.delete(objectKey(event.object));
    else initial.set(objectKey(event.object), event.object);
  }

  #replace(items: readonly T[], resourceVersion: string): void {
    this.#tellAll(this.#store.replace(items));
    this.#resourceVersion = resourceVersion;
    this.#hasListed = true;
    this.#listed.resolve();
  }

  /** Called for every piece of a watch, also for its headers. */
  #heard(): void {
    this.#lastByteMs = this.#options.clock.monotonicMs();
    if (this.#resourceVersion === undefined || this.#sight.kind === "synced") return;
    this.#complained = false;
    this.#setSight({ kind: "synced", sinceMs: this.#lastByteMs });
  }

  /** The session is over: what it says decides whether the next one may go on from the same revision. */
  #lose(error: unknown): void {
    if (needsList(error)) this.#resourceVersion = undefined;
    if (error instanceof ProtocolError) this.#streamingLists = false;
    const why = error instanceof Error ? error.message : "the server ended the watch at once";
    // Once for each time of being blind; also when there was no sight yet.
    if (!this.#complained && error !== undefined)
      this.#options.log.warn({ err: error, resource: resourceName(this.#options.type) }, "cannot watch");
    this.#complained ||= error !== undefined;
    this.#setSight({ kind: "blind", sinceMs: this.#lastByteMs, why });
  }

  /** A signal that also fires when nothing was heard for too long: a cut cable ends no connection by itself. */
  #guardSilence(parent: AbortSignal): { readonly signal: AbortSignal; readonly stop: () => void } {
    const { clock, type } = this.#options;
    const controller = new AbortController();
    const onParent = () => controller.abort(parent.reason);
    parent.addEventListener("abort", onParent, { once: true });
    const startedMs = clock.monotonicMs();
    const check = () => {
      const silentMs = clock.monotonicMs() - Math.max(this.#lastByteMs, startedMs);
      if (silentMs < this.#silenceMs) cancel = clock.schedule(this.#silenceMs - silentMs, check);
      else controller.abort(new SilentWatchError(`watch of ${resourceName(type)}: no byte for ${this.#silenceMs} ms`));
    };
    let cancel = clock.schedule(this.#silenceMs, check);
    const unanswered = (afterMs: number, then: () => void) =>
      clock.schedule(afterMs, () => {
        if (this.#lastByteMs < startedMs) then();
      });
    const why = "the watch is not answered";
    // A watch that follows another without a gap keeps the sight, but only if it is answered soon.
    const cancelLate = unanswered(ANSWER_MS, () => this.#setSight({ kind: "blind", sinceMs: this.#lastByteMs, why }));
    const cancelUnanswered = unanswered(UNANSWERED_MS, () =>
      controller.abort(new SilentWatchError(`watch of ${resourceName(type)}: ${why} for ${UNANSWERED_MS} ms`)),
    );
    const stop = () => {
      cancel();
      cancelLate();
      cancelUnanswered();
      parent.removeEventListener("abort", onParent);
    };
    return { signal: controller.signal, stop };
  }

  #selection(): Selection {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return { namespace, labelSelector, fieldSelector };
  }

  #setSight(sight: Sight): void {
    // Blind stays blind since the first moment, with the newest reason.
    const sinceMs = sight.kind === this.#sight.kind ? this.#sight.sinceMs : sight.sinceMs;
    this.#sight = { ...sight, sinceMs };
    for (const listener of this.#sightListeners) listener(this.#sight);
  }

  #tellAll(changes: readonly Change<T>[]): void {
    for (const change of changes) for (const listener of this.#listeners) this.#tell(listener, change);
  }

  #tell(listener: (change: Change<T>) => void, change: Change<T>): void {
    try {
      listener(change);
    } catch (err) {
      this.#options.log.error({ err, resource: resourceName(this.#options.type) }, "a listener of changes failed");
    }
  }
}

/** Servers without streaming lists refuse them with 400 or 422. */
function isRefusedStreaming(error: unknown): boolean {
  return error instanceof ApiStatusError && (error.code === 400 || error.code === 422);
}

/** Errors after which the old revision leads nowhere. */
function needsList(error: unknown): boolean {
  if (isExpired(error) || error instanceof ProtocolError) return true;
  // A store that was rolled back does not know our revision any more.
  const causes = error instanceof ApiStatusError ? (error.details.causes ?? []) : [];
  return causes.some((cause) => cause.reason === "ResourceVersionTooLarge");
}

/** Revisions of one store are ordered decimal numbers; anything else is not compared. */
function isBefore(a: string, b: string | undefined): boolean {
  if (b === undefined || !/^\d+$/.test(a) || !/^\d+$/.test(b)) return false;
  return BigInt(a) < BigInt(b);
}
