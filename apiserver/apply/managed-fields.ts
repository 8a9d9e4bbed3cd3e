import type { KubeObject, ManagedFieldsEntry } from "../../machinery/object.ts";
import type { Changes } from "./compare.ts";
import { compare, sameObject } from "./compare.ts";
import type { FieldSet } from "./field-set.ts";
import { difference, EMPTY, equalSets, isEmpty, union } from "./field-set.ts";
import { equalJson } from "./json-value.ts";
import type { Managers } from "./managers.ts";
import { capUpdaters, decodeManagers, dropUnserved, encodeManagers, managerKey, updater, withSet } from "./managers.ts";
import { ownedPart } from "./owned.ts";
import type { FieldWriter, TrackUpdate } from "./types.ts";
import { rootTyping } from "./typing.ts";

export const trackUpdate: TrackUpdate = ({ old, updated, writer, schema, resetFields, isServed }) => {
  const live = old?.metadata.managedFields;
  const sent = updated.metadata.managedFields;
  const replaced = writer.subresource === "" && sent !== undefined && !equalJson(sent, live);
  const managers = replaced ? decodeSent(sent, live) : decodeManagers(live ?? []);
  // An object whose fields nobody tracks (it was reset) stays so until somebody applies.
  if (old !== undefined && (managers === undefined || managers.size === 0)) return [];
  const changes = compare(rootTyping(schema), ownedPart(old, resetFields), ownedPart(updated, resetFields));
  if (sameObject(changes) && !replaced) return live ?? [];
  const next = managers ?? new Map();
  dropUnserved(next, isServed);
  recordUpdate(next, changes, writer);
  capUpdaters(next);
  return encodeManagers(next);
};

/** What a client writes there itself is taken: `[]` and `[{}]` reset, malformed entries change nothing. */
function decodeSent(sent: ManagedFieldsEntry[], live: ManagedFieldsEntry[] | undefined): Managers | undefined {
  const [first] = sent;
  if (first === undefined || (sent.length === 1 && Object.keys(first).length === 0)) return new Map();
  const foreign = decodeManagers(sent);
  for (const [key, manager] of foreign ?? []) foreign?.set(key, { ...manager, encoded: undefined });
  return foreign ?? decodeManagers(live ?? []);
}

/** Gives the writer what it changed and takes it, and what is gone, from everybody else; in place. */
function recordUpdate(managers: Managers, changes: Changes, writer: FieldWriter): void {
  const taken = union(changes.modified, changes.added);
  disown(managers, union(taken, changes.removed));
  if (isEmpty(taken)) return;
  const identity = updater(writer);
  const key = managerKey(identity);
  const before = managers.get(key);
  const set = union(before?.set ?? EMPTY, taken);
  managers.set(key, { ...identity, time: writer.time, set });
}

/** Takes `lost` from every manager but `except`; managers that own nothing any more go; in place. */
export function disown(managers: Managers, lost: FieldSet, except?: string): void {
  for (const [key, manager] of managers) {
    const set = key === except ? manager.set : difference(manager.set, lost);
    if (isEmpty(set)) managers.delete(key);
    else managers.set(key, withSet(manager, set));
  }
}

/** Whether two states of managedFields say the same but for times. */
export function equalManagers(a: Managers, b: Managers): boolean {
  if (a.size !== b.size) return false;
  for (const [key, { apiVersion, set }] of a) {
    const other = b.get(key);
    if (other === undefined || other.apiVersion !== apiVersion || !equalSets(set, other.set)) return false;
  }
  return true;
}

/** The object with these managedFields; with none it carries no such member. */
export function withManagedFields(object: KubeObject, entries: ManagedFieldsEntry[]): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: entries.length === 0 ? metadata : { ...metadata, managedFields: entries } };
}
