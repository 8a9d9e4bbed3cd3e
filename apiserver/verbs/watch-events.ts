import type { KubeObject } from "../../machinery/object.ts";
import { asPresented, present, type Presented } from "../objects/present.ts";
import type { Selection } from "../objects/selection.ts";
import type { Resource } from "../registry/types.ts";
import type { CacheEvent } from "../storage/cache-event.ts";
import type { WatchEvent } from "./call.ts";

/** What one change looks like to a watcher with this selection: objects enter and leave it as they change. */
export function toWatchEvent(
  resource: Resource,
  { type, stored, previous }: Pick<CacheEvent, "type" | "stored" | "previous">,
  selection: Selection,
): WatchEvent | undefined {
  const before = previous === undefined ? undefined : present(resource, previous);
  const wasIn = before !== undefined && (selection.everything || selection.matches(before.object));
  if (type === "delete") return wasIn ? { type: "DELETED", object: present(resource, stored) } : undefined;
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

export const bookmark = (revision: number, initialEventsEnd: boolean): WatchEvent => ({
  type: "BOOKMARK",
  resourceVersion: String(revision),
  initialEventsEnd,
});
