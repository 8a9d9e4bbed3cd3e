import type { CacheEvent } from "./cache-event.ts";

/** The last events of a prefix, oldest first: what a watch that was away for a moment still gets. */
export class EventWindow {
  readonly #capacity: number;
  #events: CacheEvent[] = [];
  /** Index of the first event that counts; those before it are dropped in bulk. */
  #first = 0;
  #afterRevision: number;

  constructor(capacity: number, afterRevision: number) {
    this.#capacity = capacity;
    this.#afterRevision = afterRevision;
  }

  /** Every event after this revision is here. */
  get afterRevision(): number {
    return this.#afterRevision;
  }

  push(event: CacheEvent): void {
    this.#events.push(event);
    if (this.#events.length - this.#first <= this.#capacity) return;
    this.#afterRevision = this.#events[this.#first]?.revision ?? this.#afterRevision;
    this.#first++;
    if (this.#first < this.#capacity) return;
    this.#events = this.#events.slice(this.#first);
    this.#first = 0;
  }

  /** The events after `revision`, which must not be less than `afterRevision`. */
  after(revision: number): readonly CacheEvent[] {
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
  }
}
