import type { CacheEvent } from "./cache-event.ts";

export interface WindowLimits {
  readonly events: number;
  /** Of the texts of states, each event with that before and that after it. */
  readonly bytes: number;
}

/** The last events of a prefix, oldest first: what a watch that was away for a moment still gets. */
export class EventWindow {
  readonly #limits: WindowLimits;
  #bytes = 0;
  #events: (CacheEvent | undefined)[] = [];
  /** Index of the first event that counts; those before it are dropped in bulk. */
  #first = 0;
  #afterRevision: number;

  constructor(limits: WindowLimits, afterRevision: number) {
    this.#limits = limits;
    this.#afterRevision = afterRevision;
  }

  /** Every event after this revision is here. */
  get afterRevision(): number {
    return this.#afterRevision;
  }

  push(event: CacheEvent): void {
    const { events, bytes } = this.#limits;
    this.#events.push(event);
    this.#bytes += sizeOf(event);
    while (this.#events.length - this.#first > events || this.#bytes > bytes) this.#dropFirst();
    // In bulk, so that each is moved once: those dropped are no more than those kept.
    if (this.#first <= this.#events.length / 2) return;
    this.#events = this.#events.slice(this.#first);
    this.#first = 0;
  }

  #dropFirst(): void {
    const first = this.#events[this.#first];
    if (first === undefined) return;
    this.#afterRevision = first.revision;
    this.#bytes -= sizeOf(first);
    this.#events[this.#first] = undefined;
    this.#first++;
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
    return this.#events.slice(low).filter((event) => event !== undefined);
  }
}

const sizeOf = ({ stored, previous }: CacheEvent): number => stored.value.length + (previous?.value.length ?? 0);
