import { OperatorError } from "../../../machinery/errors.ts";
import { ExpiredError, StorageUnavailableError } from "../errors.ts";
import type { StorageChange, StorageEvent, StorageWatch } from "../types.ts";
import type { Caller } from "./caller.ts";
import { readCompactRevision } from "./compact-revision.ts";
import { classify, EtcdRefusal, translate } from "./failures.ts";
import type { WatchEvent, WatchResponse } from "./messages/watch.ts";
import { RpcError } from "./rpc/status.ts";
import type { WatchStream } from "./watch-stream.ts";
import { changeOf, prefixEnd } from "./wire.ts";

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
        for await (const events of this.#followOnce()) {
          failures = 0;
          // Not delegated to: that would cost several turns of the queue for each event.
          for (const event of events) yield event;
        }
      } catch (error) {
        if (this.#signal.aborted) return;
        const cause = error instanceof StorageUnavailableError ? error.cause : error;
        if (cause instanceof OperatorError) throw cause;
        if (classify(cause) === "refused") throw translate(cause, { writes: false });
      }
    }
  }

  async *#followOnce(): AsyncGenerator<readonly StorageEvent[], void, void> {
    await this.#deps.assertVersion();
    const { endpoints } = this.#deps.caller;
    const client = endpoints.current;
    const gone = AbortSignal.any([this.#signal, endpoints.turned]);
    let stream: WatchStream | undefined;
    const close = () => stream?.close();
    gone.addEventListener("abort", close, { once: true });
    try {
      stream = await client.watch();
      if (gone.aborted) return;
      const [key, rangeEnd] = [this.#prefix, prefixEnd(this.#prefix)];
      stream.create({ key, rangeEnd, startRevision: this.#doneRevision + 1, prevKv: true });
      yield* this.#read(stream);
    } catch (error) {
      if (!(error instanceof OperatorError)) endpoints.failed(client);
      throw error;
    } finally {
      this.#stream = undefined;
      gone.removeEventListener("abort", close);
      close();
    }
  }

  async *#read(stream: WatchStream): AsyncGenerator<readonly StorageEvent[], void, void> {
    const fragments: WatchEvent[] = [];
    for await (const responses of stream.responses()) {
      for (const response of responses) {
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
        const events = fragments.length === 0 ? progressOf(response) : changesOf(fragments.splice(0));
        yield* this.#handOut(events);
      }
    }
  }

  /** What is handed out counts when the consumer has taken all of it. */
  *#handOut(events: readonly StorageEvent[]): Generator<readonly StorageEvent[], void, void> {
    const last = events.at(-1);
    if (last === undefined) return;
    const revision = last.type === "progress" ? last.revision : last.stored.revision;
    if (last.type === "progress" && revision < this.#doneRevision) return;
    yield events;
    this.#doneRevision = revision;
    this.#confirmed = true;
  }

  #refuse({ compactRevision, cancelReason }: WatchResponse): never {
    if (compactRevision > 0) throw new ExpiredError(this.#doneRevision, compactRevision);
    if (cancelReason === "") throw new RpcError("UNAVAILABLE", "etcd canceled the watch", { sent: true });
    throw new RpcError("UNKNOWN", cancelReason, { sent: true });
  }

  /**
   * etcd also accepts a watch that starts at the compacted revision itself, of which it may have dropped a delete. A
   * read at the revision before tells, when it comes after the watch exists: then nothing was dropped in between.
   */
  async #assertComplete(): Promise<void> {
    const { caller } = this.#deps;
    const revision = this.#doneRevision;
    if (revision < 1) return;
    const request = { key: this.#prefix, revision, limit: 1, keysOnly: true };
    try {
      await caller.call((client) => client.range(request), { writes: false });
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

/** Throws ExpiredError when etcd could not give the state before one of them. */
function changesOf(events: readonly WatchEvent[]): readonly StorageEvent[] {
  const changes = events.map((event) => {
    const change = changeOf(event);
    if (change !== undefined) return change;
    const revision = event.kv.modRevision;
    throw new ExpiredError(revision - 1, revision);
  });
  return changes.map((change, index) => withMore(change, changes[index + 1]));
}

function withMore(change: StorageChange, next: StorageChange | undefined): StorageChange {
  return next?.stored.revision === change.stored.revision ? { ...change, more: true } : change;
}

const progressOf = ({ revision }: WatchResponse): readonly StorageEvent[] => [{ type: "progress", revision }];
