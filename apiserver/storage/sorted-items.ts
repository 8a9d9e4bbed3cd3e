import type { Page, Stored } from "./types.ts";

/** The current objects of a prefix, by key and in key order. */
export class SortedItems {
  readonly #byKey = new Map<string, Stored>();
  readonly #keys: string[] = [];

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): Stored | undefined {
    return this.#byKey.get(key);
  }

  set(stored: Stored): void {
    if (!this.#byKey.has(stored.key)) this.#keys.splice(this.#firstFrom(stored.key), 0, stored.key);
    this.#byKey.set(stored.key, stored);
  }

  delete(key: string): void {
    if (this.#byKey.delete(key)) this.#keys.splice(this.#firstFrom(key), 1);
  }

  /** The items below `prefix` and behind `after`, at most `limit`. */
  page(prefix: string, limit: number, after: string): Omit<Page, "revision"> {
    const start = after < prefix ? this.#firstFrom(prefix) : this.#firstFrom(`${after}\0`);
    const end = this.#firstFrom(`${prefix}\uffff`);
    const count = Math.max(0, Math.min(limit, end - start));
    const items: Stored[] = [];
    for (const key of this.#keys.slice(start, start + count)) {
      const stored = this.#byKey.get(key);
      if (stored !== undefined) items.push(stored);
    }
    const remaining = Math.max(0, end - start - count);
    return { items, more: remaining > 0, remaining };
  }

  /** Index of the first key that is not less than `key`. */
  #firstFrom(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
