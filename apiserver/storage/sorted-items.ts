import type { Page, Stored } from "./types.ts";

/** The current objects of a prefix, by key and in key order. */
export class SortedItems {
  readonly #byKey = new Map<string, Stored>();
  readonly #sorted: Stored[] = [];

  get(key: string): Stored | undefined {
    return this.#byKey.get(key);
  }

  set(stored: Stored): void {
    this.#sorted.splice(this.#firstFrom(stored.key), this.#byKey.has(stored.key) ? 1 : 0, stored);
    this.#byKey.set(stored.key, stored);
  }

  delete(key: string): void {
    if (this.#byKey.delete(key)) this.#sorted.splice(this.#firstFrom(key), 1);
  }

  /** The items below `prefix` and behind `after`, at most `limit`. */
  page(prefix: string, limit: number, after: string): Omit<Page, "revision"> {
    const start = after < prefix ? this.#firstFrom(prefix) : this.#firstFrom(`${after}\0`);
    const end = this.#firstFrom(`${prefix}\uffff`);
    const items = this.#sorted.slice(start, Math.max(start, Math.min(start + limit, end)));
    const remaining = Math.max(0, end - start - items.length);
    return { items, more: remaining > 0, remaining };
  }

  /** Index of the first item whose key is not less than `key`. */
  #firstFrom(key: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle]?.key ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
