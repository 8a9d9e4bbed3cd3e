import { SlowConsumerError } from "./errors.ts";
import type { CacheEvent } from "./cache-event.ts";
import { PushStream } from "./push-stream.ts";

export interface SubscriptionOptions {
  readonly prefix: string;
  /** `backlog` is what has happened since; all that the cache pushes comes after it. */
  readonly afterRevision: number;
  /** Most events that wait for the consumer. */
  readonly bufferEvents: number;
  /** The revision of the cache now. */
  readonly cacheRevision: () => number;
  readonly backlog: Iterable<readonly CacheEvent[]> | AsyncIterable<readonly CacheEvent[]>;
  /** Called once, when nothing more is wanted; must end `backlog`. */
  readonly onClose: (subscription: Subscription) => void;
}

/**
 * One watch on a cache: batches of events, in order, each once. A consumer that falls behind by more than its buffer
 * is cut with SlowConsumerError: it is never waited for.
 */
export class Subscription implements AsyncIterable<readonly CacheEvent[]> {
  readonly #options: SubscriptionOptions;
  readonly #stream: PushStream<CacheEvent>;
  /** What is to be handed out first; does not count against the buffer. */
  readonly backlog: SubscriptionOptions["backlog"];
  #handedOut = 0;
  #caughtUp = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.backlog = options.backlog;
    this.#stream = new PushStream(() => options.onClose(this));
  }

  /** All events up to this revision have been handed out: what a bookmark may say. 0: nothing is known yet. */
  get revision(): number {
    // A cut watch has missed what the cache has seen since: a bookmark of that would hide the loss.
    if (!this.#caughtUp || this.#stream.size > 0 || this.#stream.ended) return this.#handedOut;
    return Math.max(this.#handedOut, this.#options.cacheRevision());
  }

  /** For the cache. */
  push(event: CacheEvent): void {
    const { prefix, afterRevision, bufferEvents } = this.#options;
    if (event.revision <= afterRevision || !event.stored.key.startsWith(prefix)) return;
    if (this.#stream.size >= bufferEvents) this.cut(new SlowConsumerError(prefix, bufferEvents));
    else this.#stream.push(event);
  }

  /** For the cache: the iteration throws `error` next. */
  cut(error: Error): void {
    this.#stream.cut(error);
  }

  /** Ends the iteration. */
  close(): void {
    this.#stream.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly CacheEvent[], void, void> {
    try {
      yield* this.replay();
      for await (const batch of this.#stream) yield this.#handOut(batch);
    } finally {
      this.close();
    }
  }

  /**
   * The same without a promise for each batch, for many watches of one collection: first `replay` to its end, then
   * `take` whenever `onArrival` is called.
   */
  async *replay(): AsyncGenerator<readonly CacheEvent[], void, void> {
    for await (const batch of this.backlog) yield this.#handOut(batch);
    this.#caughtUp = true;
  }

  /** What has come since; empty when nothing has. Throws what the watch was cut with. */
  take(): readonly CacheEvent[] {
    return this.#handOut(this.#stream.take());
  }

  /** Nothing more will come. */
  get ended(): boolean {
    return this.#stream.ended && this.#stream.size === 0;
  }

  set onArrival(wake: () => void) {
    this.#stream.onArrival = wake;
  }

  #handOut(batch: readonly CacheEvent[]): readonly CacheEvent[] {
    this.#handedOut = batch.at(-1)?.revision ?? this.#handedOut;
    return batch;
  }
}
