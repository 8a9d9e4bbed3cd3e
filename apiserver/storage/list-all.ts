import type { Page, Storage, Stored } from "./types.ts";

const FIRST_LIMIT = 500;
const MAX_LIMIT = 5000;
/** Each page makes etcd count the rest, so large pages are cheaper; too large a page stalls it and us. */
const PAGE_TARGET_BYTES = 8 * 1024 * 1024;

/** Everything below `prefix` at one revision, read page by page. Throws ExpiredError when history is lost meanwhile. */
export async function listAll(
  storage: Pick<Storage, "list">,
  prefix: string,
): Promise<{ readonly items: readonly Stored[]; readonly revision: number }> {
  const items: Stored[] = [];
  let page: Page = await storage.list(prefix, { limit: FIRST_LIMIT });
  items.push(...page.items);
  while (page.more) {
    const after = page.items.at(-1)?.key ?? prefix;
    page = await storage.list(prefix, { limit: nextLimit(page), after, revision: page.revision });
    items.push(...page.items);
  }
  return { items, revision: page.revision };
}

function nextLimit({ items }: Page): number {
  const sizeBytes = items.reduce((sum, { value }) => sum + value.length, 0);
  const perItemBytes = Math.max(1, sizeBytes / Math.max(1, items.length));
  return Math.max(1, Math.min(MAX_LIMIT, Math.floor(PAGE_TARGET_BYTES / perItemBytes)));
}
