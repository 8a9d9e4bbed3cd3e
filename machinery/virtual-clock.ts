import type { Clock } from "./clock.ts";

interface Timer {
  readonly atMs: number;
  /** Order of scheduling: timers of the same instant fire in it. */
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until it is told to move: the base of the simulation and of tests that wait.
 * Deterministic: timers fire in order of deadline, then of scheduling, and all promise reactions of one timer have run
 * before the next one fires. Work that needs real I/O is outside of it.
 */
export class VirtualClock implements Clock {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  /** In the order of firing. */
  readonly #timers: Timer[] = [];

  constructor(start: Date = new Date("2026-01-01T00:00:00Z")) {
    this.#wallOffsetMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#wallOffsetMs + this.#monotonicMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.splice(this.#indexOf(timer), 0, timer);
    return () => this.#remove(timer);
  }

  /** Moves the wall clock only, as an administrator or NTP does. */
  jumpWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Time until the next timer, or undefined when none waits. */
  get nextTimerMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.atMs - this.#monotonicMs;
  }

  /** Lets all promise reactions run; no time passes. */
  async settle(): Promise<void> {
    // One turn of the event loop runs every microtask, however long the chain.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Moves by `ms` and fires what falls due, also timers that are set on the way. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await this.settle();
    for (let next = this.#next(); next !== undefined && next.atMs <= endMs; next = this.#next()) await this.#fire(next);
    this.#monotonicMs = endMs;
  }

  /**
   * Jumps from timer to timer until none waits. A system with periodic timers is never idle: then `limitMs` ends the
   * run, and the answer is false.
   */
  async runUntilIdle(limitMs: number): Promise<boolean> {
    const endMs = this.#monotonicMs + limitMs;
    await this.settle();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next.atMs > endMs) {
        this.#monotonicMs = endMs;
        return false;
      }
      await this.#fire(next);
    }
    return true;
  }

  #next(): Timer | undefined {
    return this.#timers[0];
  }

  #remove(timer: Timer): void {
    const index = this.#indexOf(timer);
    if (this.#timers[index] === timer) this.#timers.splice(index, 1);
  }

  /** Where the timer stands, or would stand: the first place that does not fire before it. */
  #indexOf(timer: Timer): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      const before = other !== undefined && (other.atMs - timer.atMs || other.order - timer.order) < 0;
      if (before) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #fire(timer: Timer): Promise<void> {
    this.#remove(timer);
    this.#monotonicMs = timer.atMs;
    timer.callback();
    await this.settle();
  }
}
