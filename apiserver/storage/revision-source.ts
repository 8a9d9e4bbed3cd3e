import type { Storage } from "./types.ts";

/**
 * The store's revision for many readers at once: those who ask while a call is under way share the next one. They may
 * not share the one under way: it may have read before a write that they know of.
 */
export class RevisionSource {
  readonly #storage: Pick<Storage, "currentRevision">;
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  constructor(storage: Pick<Storage, "currentRevision">) {
    this.#storage = storage;
  }

  /** Linearizable: no less than the revision of any write that was acknowledged before this call. */
  read(): Promise<number> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<number> {
    this.#next = undefined;
    const running = this.#storage.currentRevision().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
