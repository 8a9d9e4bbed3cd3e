import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Random } from "../../machinery/random.ts";
import { WorkQueue } from "../../machinery/work-queue.ts";

export interface LoopDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Answers with milliseconds until the key should be looked at again, or nothing. */
export type Pass = (key: string) => Promise<number | void>;

const BACKOFF = { baseMs: 50, maxMs: 60_000 };

/** Runs passes for keys, one at a time for each key, and again with growing delay after an error. */
export class Loop {
  readonly #queue: WorkQueue;

  constructor(name: string, { clock, random, log }: LoopDeps, pass: Pass, concurrency = 2) {
    this.#queue = new WorkQueue({
      clock,
      random,
      concurrency,
      backoff: BACKOFF,
      work: async (key) => {
        try {
          const againMs = await pass(key);
          this.#queue.forget(key);
          if (typeof againMs === "number") this.#queue.addAfter(key, againMs);
        } catch (error) {
          const againMs = this.#queue.addRateLimited(key);
          log.warn({ err: error, loop: name, key, againMs }, "pass failed, will be tried again");
        }
      },
    });
  }

  add(key: string): void {
    this.#queue.add(key);
  }

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.shutDown();
  }
}
