import { getOwn } from "../node.ts";
import type { CelField } from "./types.ts";

/**
 * An object as rules see it: a Map, which is how the engine reads fields of typed values, by escaped name. Fields are
 * converted when they are first read; `complete` converts the rest, and must come before anything that iterates.
 */
export class CelObject extends Map<string, unknown> {
  readonly #fields: ReadonlyMap<string, CelField>;
  readonly #raw: Readonly<Record<string, unknown>>;

  constructor(fields: ReadonlyMap<string, CelField>, raw: Readonly<Record<string, unknown>>) {
    super();
    this.#fields = fields;
    this.#raw = raw;
  }

  override get(key: string): unknown {
    if (super.has(key)) return super.get(key);
    const field = this.#fields.get(key);
    const value = field === undefined ? undefined : getOwn(this.#raw, field.name);
    // A null where none belongs is as good as absent; nullable fields are dyn.
    if (field === undefined || value === undefined || (value === null && field.type.name !== "dyn")) return undefined;
    const converted = field.type.convert(value);
    super.set(key, converted);
    return converted;
  }

  complete(): ReadonlyMap<string, unknown> {
    for (const key of this.#fields.keys()) this.get(key);
    return this;
  }
}

/** Any map of the engine with all its entries. */
export const entriesOf = (map: ReadonlyMap<unknown, unknown>): ReadonlyMap<unknown, unknown> =>
  map instanceof CelObject ? map.complete() : map;
