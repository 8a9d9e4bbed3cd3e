import type { Clock } from "../machinery/clock.ts";

/**
 * Since when the API has taken writes without a break, as proved by the renewals of our own Lease: while they fail, no
 * agent can renew its own either, and silence means nothing.
 */
export class ApiContinuity {
  readonly #clock: Clock;
  readonly #maxGapMs: number;
  #sinceMs = 0;
  #provedMs: number | undefined;

  /** `maxGapMs`: longest time without a proof that still counts as unbroken. */
  constructor(clock: Clock, maxGapMs: number) {
    this.#clock = clock;
    this.#maxGapMs = maxGapMs;
  }

  /** A write that was sent and confirmed at these times. */
  proved(sentMs: number, endedMs: number): void {
    const gapMs = endedMs - (this.#provedMs ?? Number.NEGATIVE_INFINITY);
    // A write that hung proves that the API serves now, not that it served all the while.
    if (gapMs > this.#maxGapMs) this.#sinceMs = endedMs - sentMs > this.#maxGapMs ? endedMs : sentMs;
    this.#provedMs = endedMs;
  }

  get servedSinceMs(): number | undefined {
    if (this.#provedMs === undefined || this.#clock.monotonicMs() - this.#provedMs > this.#maxGapMs) return undefined;
    return this.#sinceMs;
  }
}
