import { backoffMs } from "../../../machinery/backoff.ts";
import { type Clock, sleep } from "../../../machinery/clock.ts";
import type { Random } from "../../../machinery/random.ts";
import { StorageUnavailableError } from "../errors.ts";
import type { EtcdClient } from "./client.ts";
import type { Endpoints } from "./endpoints.ts";
import { classify, translate } from "./failures.ts";

const RETRY = { baseMs: 20, maxMs: 250, jitter: 0.5 };

/**
 * Makes calls to etcd and tries again where that is safe: reads after any lost answer, writes only when the call
 * provably changed nothing. A restart of etcd is thus a pause, not an error.
 */
export class Caller {
  readonly endpoints: Endpoints;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #budgetMs: number;
  readonly #closed: AbortSignal;

  /** `budgetMs`: after that time no new try starts. */
  constructor(endpoints: Endpoints, clock: Clock, random: Random, budgetMs: number, closed: AbortSignal) {
    this.endpoints = endpoints;
    this.#clock = clock;
    this.#random = random;
    this.#budgetMs = budgetMs;
    this.#closed = closed;
  }

  /** Throws what `translate` makes of the failure. */
  async call<T>(attempt: (client: EtcdClient) => Promise<T>, options: { readonly writes: boolean }): Promise<T> {
    const giveUpMs = this.#clock.monotonicMs() + this.#budgetMs;
    for (let failures = 1; ; failures++) {
      if (this.#closed.aborted) throw new StorageUnavailableError("the store is closed", { applied: "no" });
      const client = this.endpoints.current;
      try {
        return await attempt(client);
      } catch (error) {
        const failure = classify(error);
        if (failure === "notApplied" || failure === "unknown") this.endpoints.failed(client);
        const again = failure === "notApplied" || (failure === "unknown" && !options.writes);
        if (!again || this.#clock.monotonicMs() >= giveUpMs) throw translate(error, options);
      }
      await this.pause(failures);
    }
  }

  /** Waits before the next try; ends early when the store is closed. */
  async pause(failures: number): Promise<void> {
    await sleep(this.#clock, backoffMs(RETRY, failures, this.#random), this.#closed).catch(() => {});
  }
}
