import type { Clock } from "./clock.ts";

interface Timer {
  /** Whole microseconds: the rest of a subtraction is never a delay that adds nothing to the time. */
  readonly atUs: number;
  /** Order of scheduling: timers of the same instant fire in it. */
  readonly order: number;
  readonly callback: () => void;
}

/** Timers fired one after the other and no time passed: something waits for nothing, again and again. */
export class LivelockError extends Error {}

/** Far more than any number of things that can be due at one instant. */
const MOST_AT_ONE_INSTANT = 20_000;

/**
 * A clock that stands still until it is told to move: the base of the simulation and of tests that wait.
 * Deterministic: timers fire in order of deadline, then of scheduling, and all promise reactions of one timer have run
 * before the next one fires. Work that needs real I/O is outside of it.
 */
export class VirtualClock implements Clock {
  #nowUs = 0;
  #firedAtOnce = 0;
  #wallOffsetMs: number;
  #order = 0;
  /** In the order of firing. */
  readonly #timers: Timer[] = [];

  constructor(start: Date = new Date("2026-01-01T00:00:00Z")) {
    this.#wallOffsetMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#wallOffsetMs + this.monotonicMs());
  }

  monotonicMs(): number {
    return this.#nowUs / 1000;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    // Who waits at all waits at least for one step, as with every real timer.
    const delayUs = delayMs > 0 ? Math.max(1, Math.round(delayMs * 1000)) : 0;
    const timer = { atUs: this.#nowUs + delayUs, order: this.#order++, callback };
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
    return next === undefined ? undefined : (next.atUs - this.#nowUs) / 1000;
  }

  /** Lets all promise reactions run; no time passes. */
  async settle(): Promise<void> {
    // One turn of the event loop runs every microtask, however long the chain.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Moves by `ms` and fires what falls due, also timers that are set on the way. */
  async advance(ms: number): Promise<void> {
    const endUs = this.#nowUs + Math.round(ms * 1000);
    await this.settle();
    for (let next = this.#next(); next !== undefined && next.atUs <= endUs; next = this.#next()) await this.#fire(next);
    this.#nowUs = endUs;
  }

  /**
   * Jumps from timer to timer until none waits. A system with periodic timers is never idle: then `limitMs` ends the
   * run, and the answer is false.
   */
  async runUntilIdle(limitMs: number): Promise<boolean> {
    const endUs = this.#nowUs + Math.round(limitMs * 1000);
    await this.settle();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next.atUs > endUs) {
        this.#nowUs = endUs;
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
      const before = other !== undefined && (other.atUs - timer.atUs || other.order - timer.order) < 0;
      if (before) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.shift();
    this.#firedAtOnce = timer.atUs > this.#nowUs ? 0 : this.#firedAtOnce + 1;
    if (this.#firedAtOnce > MOST_AT_ONE_INSTANT)
      throw new LivelockError(`${MOST_AT_ONE_INSTANT} timers fired and no time passed: ${timer.callback.toString()}`);
    this.#nowUs = timer.atUs;
    timer.callback();
    await this.settle();
  }
}
