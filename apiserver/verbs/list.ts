import { collectionPrefix } from "../objects/key.ts";
import { present, type Presented } from "../objects/present.ts";
import { parseSelection, type Selection } from "../objects/selection.ts";
import { ExpiredError, FutureRevisionError } from "../storage/errors.ts";
import type { ApiCall, ListReply, VerbContext } from "./call.ts";
import { type ContinueToken, continueExpired, decodeContinue, encodeContinue } from "./continue-token.ts";
import { type ListOptions, parseListOptions, tooLargeRevision, tooOldRevision } from "./list-options.ts";

/** Keys read from the store at once, when the client sets no limit or selects few of many. */
const CHUNK = 5000;

export async function list(context: VerbContext, call: ApiCall): Promise<ListReply> {
  const options = parseListOptions(call.query);
  const selection = parseSelection(call.query, call.resource);
  if (call.resource.alwaysEmpty !== undefined) return emptyList(await context.storage.currentRevision());
  const token = options.continue === "" ? undefined : decodeContinue(options.continue);
  try {
    const reply = await readPage(context, call, selection, {
      limit: options.limit,
      after: token?.after,
      revision: token?.revision ?? (options.match === "Exact" ? options.revision : undefined),
    });
    return await checkFresh(context, reply, options);
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

/** The client has seen a later revision than this store: its data would go back in time. */
async function checkFresh(
  context: VerbContext,
  reply: ListReply,
  { revision, match }: ListOptions,
): Promise<ListReply> {
  const seen = Number(reply.resourceVersion);
  if (revision === undefined || match === "Exact" || revision <= seen) return reply;
  throw tooLargeRevision(revision, await context.storage.currentRevision());
}

async function translate(context: VerbContext, error: unknown, token: ContinueToken | undefined): Promise<unknown> {
  if (error instanceof FutureRevisionError) {
    return tooLargeRevision(error.requested, await context.storage.currentRevision());
  }
  if (!(error instanceof ExpiredError)) return error;
  return token === undefined ? tooOldRevision(error.requested, error.compactRevision) : continueExpired(token);
}

interface PagePosition {
  /** Matching objects wanted; 0: all. */
  readonly limit: number;
  /** Behind this key, relative to the prefix. */
  readonly after: string | undefined;
  readonly revision: number | undefined;
}

/** One page of matching objects, all as of one revision; reads on until the page is full. */
export async function readPage(
  context: VerbContext,
  { resource, info }: ApiCall,
  selection: Selection,
  position: PagePosition,
): Promise<ListReply> {
  const prefix = collectionPrefix(resource, info.namespace);
  const items: Presented[] = [];
  let { revision } = position;
  let after = position.after === undefined ? undefined : prefix + position.after;
  for (;;) {
    const missing = position.limit - items.length;
    const limit = position.limit > 0 && selection.everything ? missing : CHUNK;
    const page = await context.storage.list(prefix, {
      limit,
      ...(after === undefined ? {} : { after }),
      ...(revision === undefined ? {} : { revision }),
    });
    revision ??= page.revision;
    for (const [index, stored] of page.items.entries()) {
      const presented = present(resource, stored);
      if (!selection.everything && !selection.matches(presented.object)) continue;
      items.push(presented);
      const behind = page.items.length - 1 - index + page.remaining;
      if (items.length === position.limit && behind > 0) {
        return partial(items, revision, stored.key.slice(prefix.length), selection.everything ? behind : undefined);
      }
    }
    after = page.items.at(-1)?.key;
    if (!page.more) return { ...emptyList(revision), items };
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
