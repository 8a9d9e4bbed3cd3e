import type { Json, JsonObject } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { difference, EMPTY, intersection, isEmpty, union, withParents } from "./field-set.ts";
import type { Managers } from "./managers.ts";
import { removePaths } from "./remove.ts";
import { toFieldSet } from "./to-field-set.ts";
import type { Typing } from "./typing.ts";

/**
 * Removes from the merged object what the applier applied last time, does not apply now, and nobody else owns.
 * `managers` already holds the applier's new set. Three steps, as structured-merge-diff has them: remove all that
 * was applied; put back what anybody owns; put back what was never the applier's.
 */
export function pruneDisowned(typing: Typing, merged: JsonObject, last: FieldSet, managers: Managers): JsonObject {
  const owned = everything(managers);
  if (isEmpty(difference(last, owned))) return merged;
  const remove = (set: FieldSet) => removePaths(typing, merged, set, owned) as JsonObject;
  const lastApplied = withParents(last);
  const present = withParents(fieldsOf(typing, merged));
  const bare = withParents(fieldsOf(typing, remove(lastApplied)));
  const withOwned = remove(difference(present, union(bare, withParents(owned))));
  const gone = difference(present, withParents(fieldsOf(typing, withOwned)));
  return remove(intersection(gone, lastApplied));
}

const everything = (managers: Managers): FieldSet =>
  [...managers.values()].reduce((all, { set }) => union(all, set), EMPTY);

const fieldsOf = (typing: Typing, value: Json): FieldSet => toFieldSet(typing, value, () => undefined);
