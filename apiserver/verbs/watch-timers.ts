import type { Clock } from "../../machinery/clock.ts";
import type { CacheEvent } from "../storage/cache-event.ts";
import type { Subscription } from "../storage/subscription.ts";
import type { WatchOptions } from "./list-options.ts";

/** How often a watch that asked for bookmarks gets one. */
const BOOKMARK_INTERVAL_MS = 60_000;
/** How long before its end it gets a last one. */
const LAST_BOOKMARK_MS = 2_000;

/** Says when a bookmark is due (each minute, and once shortly before the end), and when the watch is over. */
export class WatchTimers {
  onDue: () => void = () => {};
  #ended = false;
  #bookmarkDue = false;
  readonly #cancelEnd: () => void;
  readonly #cancelLast: () => void = () => {};
  #cancelTick: () => void = () => {};

  constructor(clock: Clock, { timeoutMs, bookmarks }: WatchOptions) {
    this.#cancelEnd = clock.schedule(timeoutMs, () => {
      this.#ended = true;
      this.onDue();
    });
    if (!bookmarks) return;
    this.#cancelLast = clock.schedule(Math.max(0, timeoutMs - LAST_BOOKMARK_MS), () => this.#bookmark());
    const tick = (): void => {
      this.#cancelTick = clock.schedule(BOOKMARK_INTERVAL_MS, () => {
        this.#bookmark();
        tick();
      });
    };
    tick();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** True once for each bookmark that is due. */
  takeBookmark(): boolean {
    const due = this.#bookmarkDue;
    this.#bookmarkDue = false;
    return due;
  }

  stop(): void {
    this.#cancelEnd();
    this.#cancelLast();
    this.#cancelTick();
  }

  #bookmark(): void {
    this.#bookmarkDue = true;
    this.onDue();
  }
}

/** Events of a subscription and what is due in between, one after the other. */
export class Inbox {
  readonly #batches: AsyncIterator<readonly CacheEvent[], void, void>;
  readonly #timers: WatchTimers;
  #pulling = false;
  #arrived: IteratorResult<readonly CacheEvent[], void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(subscription: Subscription, timers: WatchTimers) {
    this.#batches = subscription[Symbol.asyncIterator]();
    this.#timers = timers;
    timers.onDue = () => this.#wake();
  }

  /** Not a race of promises: what waits for a timer of an hour would be kept for each event of that hour. */
  async next(): Promise<readonly CacheEvent[] | "bookmark" | "end"> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#arrived !== undefined) return this.#takeArrived(this.#arrived);
      if (this.#timers.ended) return "end";
      if (this.#timers.takeBookmark()) return "bookmark";
      this.#pull();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #takeArrived(arrived: IteratorResult<readonly CacheEvent[], void>): readonly CacheEvent[] | "end" {
    this.#arrived = undefined;
    return arrived.done === true ? "end" : arrived.value;
  }

  #pull(): void {
    if (this.#pulling) return;
    this.#pulling = true;
    const settle = (): void => {
      this.#pulling = false;
      this.#wake();
    };
    this.#batches.next().then(
      (result) => {
        this.#arrived = result;
        settle();
      },
      (error: unknown) => {
        this.#failure = { error };
        settle();
      },
    );
  }
}
