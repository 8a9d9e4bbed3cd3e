import type { Etcd3, IWatchResponse } from "etcd3";
import { OperatorError } from "../../../machinery/errors.ts";
import { ExpiredError, StorageUnavailableError } from "../errors.ts";
import type { StorageEvent, StorageWatch } from "../types.ts";
import type { Caller } from "./caller.ts";
import { readCompactRevision } from "./compact-revision.ts";
import { classify, EtcdRefusal, translate } from "./failures.ts";
import { openWatchStream, type WatchStream } from "./watch-stream.ts";
import { decodeEvent, decodeRevision, prefixEnd } from "./wire.ts";

export interface WatchDeps {
  readonly caller: Caller;
  /** Throws when the server's progress notifications cannot be trusted. */
  readonly assertVersion: () => Promise<void>;
}

/**
 * A watch that outlives its stream: after a break it goes on right behind the last revision that it has handed out
 * completely.
 */
export class EtcdWatch implements StorageWatch {
  readonly #deps: WatchDeps;
  readonly #prefix: string;
  readonly #signal: AbortSignal;
  /** All events up to here have been handed out. Moved by events and progress, never by the header of other answers. */
  #doneRevision: number;
  #stream: WatchStream | undefined;
  /** Whether this watch knows that the store has been at `#doneRevision`. */
  #confirmed = false;
  #iterated = false;

  constructor(deps: WatchDeps, prefix: string, afterRevision: number, signal: AbortSignal) {
    this.#deps = deps;
    this.#prefix = prefix;
    this.#doneRevision = afterRevision;
    this.#signal = signal;
  }

  requestProgress(): void {
    this.#stream?.requestProgress();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StorageEvent, void, void> {
    if (this.#iterated) throw new Error("a watch has one consumer, once");
    this.#iterated = true;
    for (let failures = 0; !this.#signal.aborted; failures++) {
      if (failures > 0) await this.#deps.caller.pause(failures);
      try {
        for await (const event of this.#followOnce()) {
          failures = 0;
          yield event;
        }
      } catch (error) {
        if (this.#signal.aborted) return;
        const cause = error instanceof StorageUnavailableError ? error.cause : error;
        if (cause instanceof OperatorError) throw cause;
        if (classify(cause) === "refused") throw translate(cause, { writes: false });
      }
    }
  }

  async *#followOnce(): AsyncGenerator<StorageEvent, void, void> {
    await this.#deps.assertVersion();
    const { endpoints } = this.#deps.caller;
    const client = endpoints.current;
    const { turned } = endpoints;
    const stream = await openWatchStream(client.watchClient);
    const close = () => stream.close();
    const gone = AbortSignal.any([this.#signal, turned]);
    gone.addEventListener("abort", close, { once: true });
    try {
      if (gone.aborted) return;
      stream.create({
        key: Buffer.from(this.#prefix),
        range_end: prefixEnd(this.#prefix),
        start_revision: this.#doneRevision + 1,
        prev_kv: true,
        fragment: true,
        progress_notify: true,
      });
      yield* this.#read(stream);
    } catch (error) {
      if (!(error instanceof OperatorError)) endpoints.failed(client);
      throw error;
    } finally {
      this.#stream = undefined;
      gone.removeEventListener("abort", close);
      stream.close();
    }
  }

  async *#read(stream: WatchStream): AsyncGenerator<StorageEvent, void, void> {
    const fragments: IWatchResponse["events"] = [];
    for await (const response of stream.responses) {
      if (response.canceled) this.#refuse(response);
      if (response.created) {
        await this.#assertComplete();
        this.#stream = stream;
        continue;
      }
      // Not spread: one revision can hold more events than a call takes arguments.
      for (const event of response.events) fragments.push(event);
      // The parts of one answer may split a revision: none counts before the last has come.
      if (response.fragment) continue;
      if (fragments.length === 0) yield* this.#progress(response);
      else yield* this.#changes(fragments.splice(0));
    }
  }

  *#changes(events: IWatchResponse["events"]): Generator<StorageEvent, void, void> {
    const changes = events.map((event) => {
      const change = decodeEvent(event);
      if (change !== undefined) return change;
      const revision = decodeRevision(event.kv.mod_revision);
      throw new ExpiredError(revision - 1, revision);
    });
    for (const [index, change] of changes.entries()) {
      const more = changes[index + 1]?.stored.revision === change.stored.revision;
      yield more ? { ...change, more } : change;
    }
    this.#doneRevision = changes.at(-1)?.stored.revision ?? this.#doneRevision;
    this.#confirmed = true;
  }

  *#progress({ header }: IWatchResponse): Generator<StorageEvent, void, void> {
    const revision = decodeRevision(header.revision);
    if (revision < this.#doneRevision) return;
    this.#doneRevision = revision;
    this.#confirmed = true;
    yield { type: "progress", revision };
  }

  #refuse({ compact_revision, cancel_reason }: IWatchResponse): never {
    const compactRevision = decodeRevision(compact_revision);
    if (compactRevision > 0) throw new ExpiredError(this.#doneRevision, compactRevision);
    throw new Error(cancel_reason === "" ? "14 UNAVAILABLE: etcd canceled the watch" : cancel_reason);
  }

  /**
   * etcd also accepts a watch that starts at the compacted revision itself, of which it may have dropped a delete. A
   * read at the revision before tells, when it comes after the watch exists: then nothing was dropped in between.
   */
  async #assertComplete(): Promise<void> {
    const { caller } = this.#deps;
    const revision = this.#doneRevision;
    if (revision < 1) return;
    const read = ({ kv }: Etcd3) => kv.range({ key: Buffer.from(this.#prefix), revision, limit: 1, keys_only: true });
    try {
      await caller.call(read, { writes: false });
      this.#confirmed = true;
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      if (error.failure === "compacted") {
        const compactRevision = await caller.call(readCompactRevision, { writes: false });
        throw new ExpiredError(revision, compactRevision, { cause: error });
      }
      // Not there yet is right for a first start. Later it means that the store was put back to an older state.
      if (this.#confirmed) throw new ExpiredError(revision, revision, { cause: error });
    }
  }
}
