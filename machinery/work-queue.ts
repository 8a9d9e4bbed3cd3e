import PQueue from "p-queue";
import { type BackoffPolicy, backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Does the work for one key; never called twice at a time for the same key. Must not reject. */
  readonly work: (key: string) => Promise<void>;
  /** How many keys are worked on at a time; 1 when absent. */
  readonly concurrency?: number;
  readonly backoff?: BackoffPolicy;
}

interface Delayed {
  readonly atMs: number;
  readonly cancel: () => void;
}

const BACKOFF: BackoffPolicy = { baseMs: 50, maxMs: 300_000 };

/**
 * Work queue with the semantics of client-go: a key waits at most once; a key that is added while it is worked on is
 * worked on again afterwards; delayed additions keep the earliest time; failures are counted by key. Starts paused.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #backoff: BackoffPolicy;
  readonly #pool: PQueue;
  /** Keys that need work: waiting in the pool, or to be put there when their running pass is over. */
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  #shuttingDown = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? BACKOFF;
    this.#pool = new PQueue({ concurrency: options.concurrency ?? 1, autoStart: false });
  }

  start(): void {
    this.#pool.start();
  }

  add(key: string): void {
    if (this.#shuttingDown || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#enqueue(key);
  }

  /** Adds the key after `delayMs`, or earlier when an earlier addition waits already. */
  addAfter(key: string, delayMs: number): void {
    if (this.#shuttingDown) return;
    if (delayMs <= 0) return this.add(key);
    const atMs = this.#options.clock.monotonicMs() + delayMs;
    const waiting = this.#delayed.get(key);
    if (waiting !== undefined && waiting.atMs <= atMs) return;
    waiting?.cancel();
    const cancel = this.#options.clock.schedule(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { atMs, cancel });
  }

  /** Adds the key after the back-off of its failures so far, at least `atLeastMs`; answers with the delay. */
  addRateLimited(key: string, atLeastMs = 0): number {
    const failures = this.failures(key) + 1;
    this.#failures.set(key, failures);
    const delayMs = Math.max(atLeastMs, backoffMs(this.#backoff, failures, this.#options.random));
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** The key is well again: its next failure starts from the shortest delay. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Keys that wait for a free worker; not the delayed ones. */
  get length(): number {
    return this.#pool.size;
  }

  /** Takes nothing more in, drops what is delayed, and resolves when all that waited or ran is done. */
  async shutDown(): Promise<void> {
    this.#shuttingDown = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#pool.start();
    await this.#pool.onIdle();
  }

  #enqueue(key: string): void {
    void this.#pool.add(() => this.#process(key));
  }

  async #process(key: string): Promise<void> {
    this.#dirty.delete(key);
    this.#processing.add(key);
    try {
      await this.#options.work(key);
    } finally {
      this.#processing.delete(key);
      if (this.#dirty.has(key)) this.#enqueue(key);
    }
  }
}
