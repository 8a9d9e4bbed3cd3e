import type { KubeObject } from "../../machinery/object.ts";
import { collectionPrefix } from "../objects/key.ts";
import { asPresented, present, type Presented } from "../objects/present.ts";
import { parseSelection, type Selection } from "../objects/selection.ts";
import type { Resource } from "../registry/types.ts";
import { ExpiredError } from "../storage/errors.ts";
import type { StorageEvent } from "../storage/types.ts";
import type { ApiCall, VerbContext, WatchEvent, WatchReply } from "./call.ts";
import { parseWatchOptions, tooOldRevision, type WatchOptions } from "./list-options.ts";
import { readPage } from "./list.ts";

/** How often a watch that asked for bookmarks gets one. */
const BOOKMARK_INTERVAL_MS = 60_000;
/** How long before its end it gets a last one. */
const LAST_BOOKMARK_MS = 2_000;

/** Checks the options at once, so that a wrong one is an HTTP error; what goes wrong later is an ERROR event. */
export function watch(context: VerbContext, call: ApiCall): WatchReply {
  const options = parseWatchOptions(call.query, context.random);
  const selection = parseSelection(call.query, call.resource);
  return { kind: "watch", events: watchEvents(context, call, options, selection) };
}

async function* watchEvents(
  context: VerbContext,
  call: ApiCall,
  options: WatchOptions,
  selection: Selection,
): AsyncIterable<WatchEvent> {
  const ending = new AbortController();
  const cancel = context.clock.schedule(options.timeoutMs, () => ending.abort());
  try {
    const signal = AbortSignal.any([call.signal, ending.signal]);
    const revision = yield* initialEvents(context, call, options, selection);
    yield* liveEvents(context, call, options, selection, revision, signal);
  } catch (error) {
    if (!(error instanceof ExpiredError)) throw error;
    yield { type: "ERROR", status: tooOldRevision(error.requested, error.compactRevision).toStatus() };
  } finally {
    cancel();
  }
}

/** The current state as ADDED events, when it is wanted; returns the revision after which to go on. */
async function* initialEvents(
  context: VerbContext,
  call: ApiCall,
  options: WatchOptions,
  selection: Selection,
): AsyncGenerator<WatchEvent, number> {
  if (!options.sendInitialEvents && options.revision !== undefined && options.revision > 0) return options.revision;
  const empty = call.resource.alwaysEmpty !== undefined;
  const state = empty
    ? { items: [], resourceVersion: String(await context.storage.currentRevision()) }
    : await readPage(context, call, selection, { limit: 0, after: undefined, revision: undefined });
  for (const object of state.items) yield { type: "ADDED", object };
  const { resourceVersion } = state;
  if (options.sendInitialEvents && options.bookmarks) {
    yield { type: "BOOKMARK", resourceVersion, initialEventsEnd: true };
  }
  return Number(resourceVersion);
}

async function* liveEvents(
  context: VerbContext,
  { resource, info }: ApiCall,
  options: WatchOptions,
  selection: Selection,
  afterRevision: number,
  signal: AbortSignal,
): AsyncIterable<WatchEvent> {
  const source = context.storage.watch(collectionPrefix(resource, info.namespace), afterRevision, signal);
  const stop = options.bookmarks ? askForProgress(context, source, options.timeoutMs) : () => {};
  try {
    for await (const event of source) {
      const seen = event.type === "progress" ? progressEvent(event, options) : toWatchEvent(resource, event, selection);
      if (seen !== undefined) yield seen;
    }
  } finally {
    stop();
  }
}

/** Asks the store how far it is, once a minute and shortly before the end: its answers become bookmarks. */
function askForProgress({ clock }: VerbContext, source: { requestProgress(): void }, timeoutMs: number): () => void {
  const last = clock.schedule(Math.max(0, timeoutMs - LAST_BOOKMARK_MS), () => source.requestProgress());
  let cancel = (): void => {};
  const tick = (): void => {
    cancel = clock.schedule(BOOKMARK_INTERVAL_MS, () => {
      source.requestProgress();
      tick();
    });
  };
  tick();
  return () => {
    last();
    cancel();
  };
}

function progressEvent({ revision }: { readonly revision: number }, options: WatchOptions): WatchEvent | undefined {
  if (!options.bookmarks) return undefined;
  return { type: "BOOKMARK", resourceVersion: String(revision), initialEventsEnd: false };
}

/** What one change looks like to a watcher with this selection: objects enter and leave it as they change. */
export function toWatchEvent(
  resource: Resource,
  event: Exclude<StorageEvent, { type: "progress" }>,
  selection: Selection,
): WatchEvent | undefined {
  const { previous, stored } = event;
  const before = previous === undefined ? undefined : present(resource, previous);
  const wasIn = before !== undefined && (selection.everything || selection.matches(before.object));
  if (event.type === "delete") return wasIn ? { type: "DELETED", object: present(resource, stored) } : undefined;
  const now = present(resource, stored);
  const isIn = selection.everything || selection.matches(now.object);
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", object: now };
  return wasIn ? { type: "DELETED", object: atRevision(before, stored.revision) } : undefined;
}

/** The last state that matched, with the revision of the change that ended it. */
function atRevision({ object }: Presented, revision: number): Presented {
  const left: KubeObject = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return asPresented(left);
}
