import { collectionPrefix } from "../objects/key.ts";
import { present, type Presented } from "../objects/present.ts";
import { parseSelection, type Selection } from "../objects/selection.ts";
import { CacheBehindError, ExpiredError, FutureRevisionError } from "../storage/errors.ts";
import type { Page } from "../storage/types.ts";
import type { ApiCall, ListReply, VerbContext } from "./call.ts";
import { type ContinueToken, continueExpired, decodeContinue, encodeContinue } from "./continue-token.ts";
import { type ListOptions, parseListOptions, tooLargeRevision, tooOldRevision } from "./list-options.ts";

/** Keys read from the store at once. */
const CHUNK = 5000;

export async function list(context: VerbContext, call: ApiCall): Promise<ListReply> {
  const options = parseListOptions(call.query);
  const selection = parseSelection(call.query, call.resource);
  if (call.resource.alwaysEmpty !== undefined) return emptyList(await context.caches.currentRevision());
  const token = options.continue === "" ? undefined : decodeContinue(options.continue);
  const exact = token?.revision ?? (options.match === "Exact" ? options.revision : undefined);
  try {
    const page = exact === undefined ? await newest(context, call, options) : await asOf(context, call, exact);
    return await readPage(call, selection, page, { limit: options.limit, after: token?.after });
  } catch (error) {
    throw await translate(context, error, token);
  }
}

const emptyList = (revision: number): ListReply => ({
  kind: "list",
  items: [],
  resourceVersion: String(revision),
  continue: undefined,
  remainingItemCount: undefined,
});

interface PageSource {
  /** Reads one page behind a key. */
  readonly read: (after: string | undefined, limit: number) => Promise<Page> | Page;
  /** Most keys of one page: all, where the next page would be of another revision. */
  readonly chunk: number;
}

/** The state now, or at least as new as the client has seen, from memory. */
async function newest(context: VerbContext, call: ApiCall, { revision }: Partial<ListOptions>): Promise<PageSource> {
  const cache = await context.caches.of(call.resource);
  if (revision === undefined) await cache.fresh();
  else if (revision > 0) await cache.waitFor(revision);
  const prefix = collectionPrefix(call.resource, call.info.namespace);
  return {
    read: (after, limit) => cache.list(prefix, { limit, ...(after === undefined ? {} : { after }) }),
    chunk: Number.MAX_SAFE_INTEGER,
  };
}

/** The state at a revision: from the store, which has history, unless the cache happens to be there. */
async function asOf(context: VerbContext, call: ApiCall, revision: number): Promise<PageSource> {
  const cache = context.caches.peek(call.resource);
  if (cache?.revision === revision) return newest(context, call, { revision: 0 });
  const prefix = collectionPrefix(call.resource, call.info.namespace);
  return {
    read: (after, limit) =>
      context.storage.list(prefix, { limit, revision, ...(after === undefined ? {} : { after }) }),
    chunk: CHUNK,
  };
}

async function translate(context: VerbContext, error: unknown, token: ContinueToken | undefined): Promise<unknown> {
  if (error instanceof FutureRevisionError) {
    return tooLargeRevision(error.requested, await context.caches.currentRevision());
  }
  if (error instanceof CacheBehindError && error.requested > 1)
    return tooLargeRevision(error.requested, error.revision);
  if (!(error instanceof ExpiredError)) return error;
  return token === undefined ? tooOldRevision(error.requested, error.compactRevision) : continueExpired(token);
}

interface PagePosition {
  /** Matching objects wanted; 0: all. */
  readonly limit: number;
  /** Behind this key, relative to the prefix. */
  readonly after: string | undefined;
}

/** Everything that matches, as it is now. */
export async function readAll(context: VerbContext, call: ApiCall, selection: Selection): Promise<ListReply> {
  return readPage(call, selection, await newest(context, call, {}), { limit: 0, after: undefined });
}

/** Everything that matches in the cache's present state, in one turn of the event loop. */
export function selectAll({ resource }: ApiCall, selection: Selection, page: Page): readonly Presented[] {
  const all = page.items.map((stored) => present(resource, stored));
  return selection.everything ? all : all.filter(({ object }) => selection.matches(object));
}

/** One page of matching objects; reads on until it is full. */
async function readPage(
  { resource, info }: ApiCall,
  selection: Selection,
  source: PageSource,
  position: PagePosition,
): Promise<ListReply> {
  const prefix = collectionPrefix(resource, info.namespace);
  const items: Presented[] = [];
  let after = position.after === undefined ? undefined : prefix + position.after;
  for (;;) {
    const page = await source.read(after, selection.everything && position.limit > 0 ? position.limit : source.chunk);
    for (const [index, stored] of page.items.entries()) {
      const presented = present(resource, stored);
      if (!selection.everything && !selection.matches(presented.object)) continue;
      items.push(presented);
      const behind = page.items.length - 1 - index + page.remaining;
      if (items.length === position.limit && behind > 0) {
        return partial(
          items,
          page.revision,
          stored.key.slice(prefix.length),
          selection.everything ? behind : undefined,
        );
      }
    }
    after = page.items.at(-1)?.key;
    if (!page.more) return { ...emptyList(page.revision), items };
  }
}

function partial(items: Presented[], revision: number, after: string, remaining: number | undefined): ListReply {
  return {
    kind: "list",
    items,
    resourceVersion: String(revision),
    continue: encodeContinue({ revision, after }),
    remainingItemCount: remaining,
  };
}
