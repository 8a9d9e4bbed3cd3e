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
  readonly #subscription: Subscription;
  readonly #timers: WatchTimers;
  #replay: AsyncIterator<readonly CacheEvent[], void, void> | undefined;
  #pulling = false;
  #replayed: readonly CacheEvent[] | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(subscription: Subscription, timers: WatchTimers) {
    this.#subscription = subscription;
    this.#timers = timers;
    this.#replay = subscription.replay();
    timers.onDue = () => this.#wake();
    subscription.onArrival = () => this.#wake();
  }

  /** Not a race of promises: what waits for a timer of an hour would be kept for each event of that hour. */
  async next(): Promise<readonly CacheEvent[] | "bookmark" | "end"> {
    for (;;) {
      const events = this.#take();
      if (events.length > 0) return events;
      if (this.#replay === undefined && this.#subscription.ended) return "end";
      if (this.#timers.ended) return "end";
      if (this.#timers.takeBookmark()) return "bookmark";
      this.#pull();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(): readonly CacheEvent[] {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#replay === undefined) return this.#subscription.take();
    const events = this.#replayed ?? [];
    this.#replayed = undefined;
    return events;
  }

  #pull(): void {
    if (this.#replay === undefined || this.#pulling) return;
    this.#pulling = true;
    this.#replay.next().then(
      ({ done, value }) => {
        this.#pulling = false;
        if (done === true) this.#replay = undefined;
        else this.#replayed = value;
        this.#wake();
      },
      (error: unknown) => {
        this.#failure = { error };
        this.#wake();
      },
    );
  }
}
