import type { Stored } from "./types.ts";

/** A change, shared by all watches that see it. */
export class CacheEvent {
  readonly type: "put" | "delete";
  /** After a delete: the last state, with the revision of the delete. */
  readonly stored: Stored;
  /** `undefined`: the object is new. */
  readonly previous: Stored | undefined;
  #encoded: Map<string, Buffer> | undefined;

  constructor(type: CacheEvent["type"], stored: Stored, previous: Stored | undefined) {
    this.type = type;
    this.stored = stored;
    this.previous = previous;
  }

  get revision(): number {
    return this.stored.revision;
  }

  /** The bytes of this event in the form that `form` names, made once for all watches that want that form. */
  encode(form: string, make: (event: CacheEvent) => Buffer): Buffer {
    this.#encoded ??= new Map();
    let bytes = this.#encoded.get(form);
    if (bytes === undefined) {
      bytes = make(this);
      this.#encoded.set(form, bytes);
    }
    return bytes;
  }
}
