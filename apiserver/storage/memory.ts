import type { Clock } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import {
  ExpiredError,
  FutureRevisionError,
  KeyExistsError,
  RevisionMismatchError,
  StorageUnavailableError,
} from "./errors.ts";
import { PushStream } from "./push-stream.ts";
import type {
  Page,
  PageRequest,
  Storage,
  Stored,
  StorageChange,
  StorageEvent,
  StorageWatch,
  WriteOptions,
} from "./types.ts";
import { encodeObject, StoredValue } from "./value.ts";

/**
 * Storage without a disk, for tests: the revisions, the compaction and the order of etcd. Its objects are frozen, so
 * that code which changes what it read fails.
 */
export class MemoryStorage implements Storage {
  /** An empty etcd is at revision 1: the first write is 2. */
  #revision = 1;
  #compactRevision = 0;
  readonly #current = new Map<string, Stored>();
  /** Everything after the compact revision, oldest first. */
  #history: StorageChange[] = [];
  readonly #watchers = new Map<PushStream<StorageEvent>, string>();
  readonly #cancelExpiry = new Map<string, () => void>();
  readonly #clock: Clock;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async get(key: string) {
    this.#assertOpen();
    return { stored: this.#current.get(key), revision: this.#revision };
  }

  async list(prefix: string, page: PageRequest): Promise<Page> {
    this.#assertOpen();
    const { limit, after = "", revision = this.#revision } = page;
    if (limit < 1) throw new RangeError(`limit: ${limit}: a page has at least 1 item`);
    const matching = [...this.#stateAt(revision).values()]
      .filter(({ key }) => key.startsWith(prefix) && key > after)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const items = matching.slice(0, limit);
    const remaining = matching.length - items.length;
    return { items, revision, more: remaining > 0, remaining };
  }

  async create(key: string, object: KubeObject, options: WriteOptions = {}): Promise<Stored> {
    this.#assertOpen();
    if (this.#current.has(key)) throw new KeyExistsError(key);
    return this.#put(key, object, options);
  }

  async replace(key: string, expectRevision: number, object: KubeObject, options: WriteOptions = {}): Promise<Stored> {
    this.#expect(key, expectRevision);
    return this.#put(key, object, options);
  }

  async delete(key: string, expectRevision: number): Promise<Stored> {
    return this.#remove(this.#expect(key, expectRevision));
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): StorageWatch {
    const onAbort = () => stream.end();
    const stream = new PushStream<StorageEvent>(() => {
      this.#watchers.delete(stream);
      signal.removeEventListener("abort", onAbort);
    });
    return {
      requestProgress: () => {
        if (this.#watchers.has(stream)) stream.push({ type: "progress", revision: this.#revision });
      },
      [Symbol.asyncIterator]: () => {
        signal.addEventListener("abort", onAbort);
        if (signal.aborted) stream.end();
        return this.#follow(stream, prefix, afterRevision);
      },
    };
  }

  async currentRevision(): Promise<number> {
    this.#assertOpen();
    return this.#revision;
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen();
    if (revision > this.#revision) throw new FutureRevisionError(revision);
    this.#compactRevision = Math.max(this.#compactRevision, revision);
    this.#history = this.#history.filter(({ stored }) => stored.revision > this.#compactRevision);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#cancelExpiry.values()) cancel();
    for (const stream of this.#watchers.keys()) stream.end();
  }

  async *#follow(
    stream: PushStream<StorageEvent>,
    prefix: string,
    afterRevision: number,
  ): AsyncGenerator<StorageEvent, void, void> {
    this.#assertOpen();
    if (afterRevision < this.#compactRevision) throw new ExpiredError(afterRevision, this.#compactRevision);
    for (const change of this.#history) {
      if (change.stored.key.startsWith(prefix)) stream.push(change);
    }
    this.#watchers.set(stream, prefix);
    for await (const events of stream) {
      for (const event of events) {
        // A watch from the future sees nothing that came before its revision.
        if ((event.type === "progress" ? event.revision + 1 : event.stored.revision) > afterRevision) yield event;
      }
    }
  }

  #put(key: string, object: KubeObject, { ttlSeconds }: WriteOptions): Stored {
    const previous = this.#current.get(key);
    this.#revision++;
    const stored = new StoredValue(key, this.#revision, encodeObject(object));
    deepFreeze(stored.object);
    this.#current.set(key, stored);
    this.#cancelExpiry.get(key)?.();
    this.#cancelExpiry.delete(key);
    if (ttlSeconds !== undefined) {
      this.#cancelExpiry.set(
        key,
        this.#clock.schedule(ttlSeconds * 1000, () => this.#remove(stored)),
      );
    }
    this.#publish({ type: "put", stored, previous });
    return stored;
  }

  #remove(previous: Stored): Stored {
    this.#revision++;
    this.#current.delete(previous.key);
    this.#cancelExpiry.get(previous.key)?.();
    this.#cancelExpiry.delete(previous.key);
    const stored = new StoredValue(previous.key, this.#revision, previous.value);
    deepFreeze(stored.object);
    this.#publish({ type: "delete", stored, previous });
    return stored;
  }

  #publish(change: StorageChange): void {
    this.#history.push(change);
    for (const [stream, prefix] of this.#watchers) {
      if (change.stored.key.startsWith(prefix)) stream.push(change);
    }
  }

  /** Undoes what happened after `revision`. */
  #stateAt(revision: number): ReadonlyMap<string, Stored> {
    if (revision < this.#compactRevision) throw new ExpiredError(revision, this.#compactRevision);
    if (revision > this.#revision) throw new FutureRevisionError(revision);
    if (revision === this.#revision) return this.#current;
    const state = new Map(this.#current);
    for (const change of this.#history.toReversed()) {
      if (change.stored.revision <= revision) break;
      if (change.previous === undefined) state.delete(change.stored.key);
      else state.set(change.stored.key, change.previous);
    }
    return state;
  }

  #expect(key: string, expectRevision: number): Stored {
    this.#assertOpen();
    const current = this.#current.get(key);
    if (current?.revision !== expectRevision) throw new RevisionMismatchError(key, expectRevision, current);
    return current;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageUnavailableError("the store is closed", { applied: "no" });
  }
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
}
