import type { Clock } from "../../machinery/clock.ts";
import { CacheEvent } from "./cache-event.ts";
import type { Storage } from "./types.ts";

export interface ReplayOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly prefix: string;
  readonly afterRevision: number;
  /** The store has been at this revision. */
  readonly upTo: number;
  /** Ends the replay where it is. */
  readonly signal: AbortSignal;
}

const PROGRESS_RETRY_MS = 20;

/** The events after `afterRevision` and up to `upTo`, from the store. Throws ExpiredError when it has them no more. */
export async function* replayUpTo(options: ReplayOptions): AsyncGenerator<readonly CacheEvent[], void, void> {
  const { storage, prefix, afterRevision, upTo } = options;
  const done = new AbortController();
  const watch = storage.watch(prefix, afterRevision, AbortSignal.any([options.signal, done.signal]));
  let cancel = () => {};
  // Nothing may have happened below this prefix up to there: only progress tells that the replay is complete.
  const ask = () => {
    watch.requestProgress();
    cancel = options.clock.schedule(PROGRESS_RETRY_MS, ask);
  };
  ask();
  try {
    for await (const event of watch) {
      const revision = event.type === "progress" ? event.revision : event.stored.revision;
      if (event.type !== "progress" && revision <= upTo)
        yield [new CacheEvent(event.type, event.stored, event.previous)];
      if (revision > upTo || (revision === upTo && (event.type === "progress" || event.more !== true))) return;
    }
  } finally {
    cancel();
    done.abort();
  }
}
