import type { Clock } from "../../machinery/clock.ts";
import { collectionPrefix } from "../objects/key.ts";
import { parseSelection, type Selection } from "../objects/selection.ts";
import type { Resource } from "../registry/types.ts";
import type { CacheEvent } from "../storage/cache-event.ts";
import type { ResourceCache } from "../storage/cache.ts";
import { CacheBehindError, ExpiredError } from "../storage/errors.ts";
import type { Subscription } from "../storage/subscription.ts";
import type { ApiCall, VerbContext, WatchEvent, WatchReply } from "./call.ts";
import { parseWatchOptions, tooLargeRevision, tooOldRevision, type WatchOptions } from "./list-options.ts";
import { selectAll } from "./list.ts";
import { bookmark, toWatchEvent } from "./watch-events.ts";
import { Inbox, WatchTimers } from "./watch-timers.ts";

/** Initial events of one batch. */
const BATCH = 500;

/** Checks the options at once, so that a wrong one is an HTTP error; what goes wrong later is an ERROR event. */
export async function watch(context: VerbContext, call: ApiCall): Promise<WatchReply> {
  const options = parseWatchOptions(call.query, context.random);
  const selection = parseSelection(call.query, call.resource);
  if (call.resource.alwaysEmpty !== undefined) return { kind: "watch", events: watchNothing(context, call, options) };
  const cache = await context.caches.of(call.resource);
  if (startsWithState(options)) await catchUp(cache, options);
  return { kind: "watch", events: watchEvents(context.clock, cache, call, options, selection) };
}

/** Without a revision, or with 0, a watch begins with what is there. */
const startsWithState = ({ revision, sendInitialEvents }: WatchOptions): boolean =>
  sendInitialEvents || revision === undefined || revision === 0;

async function catchUp(cache: ResourceCache, { revision }: WatchOptions): Promise<void> {
  try {
    if (revision === undefined) await cache.fresh();
    else if (revision > 0) await cache.waitFor(revision);
  } catch (error) {
    if (error instanceof CacheBehindError && revision !== undefined) throw tooLargeRevision(revision, error.revision);
    throw error;
  }
}

async function* watchEvents(
  clock: Clock,
  cache: ResourceCache,
  call: ApiCall,
  options: WatchOptions,
  selection: Selection,
): AsyncGenerator<readonly WatchEvent[]> {
  const prefix = collectionPrefix(call.resource, call.info.namespace);
  // State and subscription in one turn of the event loop: nothing can come between them.
  const page = startsWithState(options) ? cache.list(prefix) : undefined;
  const subscription = cache.subscribe(page?.revision ?? options.revision ?? 0, prefix);
  const stop = (): void => subscription.close();
  call.signal.addEventListener("abort", stop, { once: true });
  const timers = new WatchTimers(clock, options);
  try {
    if (call.signal.aborted) return;
    if (page !== undefined) {
      yield* initialEvents(selectAll(call, selection, page), page.revision, options);
    }
    // Here and not in a generator of its own: with hundreds of watches that would cost as much again.
    const inbox = new Inbox(subscription, timers);
    for (;;) {
      const what = await inbox.next();
      if (what === "end") return;
      const events = what === "bookmark" ? bookmarkOf(subscription) : watchEventsOf(call.resource, what, selection);
      if (events.length > 0) yield events;
    }
  } catch (error) {
    if (!(error instanceof ExpiredError)) throw error;
    yield [{ type: "ERROR", status: tooOldRevision(error.requested, error.compactRevision).toStatus() }];
  } finally {
    call.signal.removeEventListener("abort", stop);
    timers.stop();
    stop();
  }
}

const bookmarkOf = ({ revision }: Subscription): readonly WatchEvent[] =>
  revision > 0 ? [bookmark(revision, false)] : [];

const watchEventsOf = (
  resource: Resource,
  events: readonly CacheEvent[],
  selection: Selection,
): readonly WatchEvent[] =>
  events.map((event) => toWatchEvent(resource, event, selection)).filter((each) => each !== undefined);

function* initialEvents(
  state: ReturnType<typeof selectAll>,
  revision: number,
  options: WatchOptions,
): Generator<readonly WatchEvent[]> {
  for (let start = 0; start < state.length; start += BATCH) {
    yield state.slice(start, start + BATCH).map((object) => ({ type: "ADDED", object }));
  }
  if (options.sendInitialEvents && options.bookmarks) yield [bookmark(revision, true)];
}

/** A watch of a kind that never has objects: lasts as long as any other. */
async function* watchNothing(
  { clock, caches }: VerbContext,
  { signal }: ApiCall,
  options: WatchOptions,
): AsyncGenerator<readonly WatchEvent[]> {
  if (options.sendInitialEvents && options.bookmarks) yield [bookmark(await caches.currentRevision(), true)];
  await new Promise<void>((resolve) => {
    const cancel = clock.schedule(options.timeoutMs, resolve);
    const gone = (): void => {
      cancel();
      resolve();
    };
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
  });
}
