import type { JsonObject, ManagedFieldsEntry } from "../../machinery/object.ts";
import type { FieldSet } from "./field-set.ts";
import { isEmpty, union } from "./field-set.ts";
import { decodeFields, encodeFields } from "./fields-v1.ts";
import type { FieldWriter, IsServed } from "./types.ts";

/** One entry of managedFields with its field set decoded. */
export interface Manager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly set: FieldSet;
  /** The encoding that `set` was read from; spares encoding what has not changed. */
  readonly encoded?: JsonObject | undefined;
}

/** Keyed by managerKey. */
export type Managers = Map<string, Manager>;

type Identity = Pick<Manager, "manager" | "operation" | "apiVersion" | "subresource">;

/** What makes two entries the same one. An applier is the same in every version. */
export function managerKey({ manager, operation, apiVersion, subresource }: Identity): string {
  return JSON.stringify([manager, operation, operation === "Apply" ? "" : apiVersion, subresource]);
}

export const updater = ({ manager, apiVersion, subresource }: FieldWriter): Identity => ({
  manager,
  operation: "Update",
  apiVersion,
  subresource,
});

export const applier = (writer: FieldWriter): Identity => ({ ...updater(writer), operation: "Apply" });

/** Reads managedFields; undefined when an entry is malformed. Entries of one identity become one. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[]): Managers | undefined {
  const managers: Managers = new Map();
  for (const entry of entries) {
    const decoded = decodeManager(entry);
    if (decoded === undefined) return undefined;
    const key = managerKey(decoded);
    const known = managers.get(key);
    managers.set(key, known === undefined ? decoded : withSet(decoded, union(known.set, decoded.set)));
  }
  return managers;
}

function decodeManager(entry: ManagedFieldsEntry): Manager | undefined {
  const { manager = "", operation, apiVersion = "", subresource = "", time, fieldsV1 } = entry;
  if ((operation !== "Apply" && operation !== "Update") || (entry.fieldsType ?? "FieldsV1") !== "FieldsV1")
    return undefined;
  const set = decodeFields(fieldsV1 ?? {});
  return set && { manager, operation, apiVersion, subresource, time, set, encoded: fieldsV1 };
}

/** In place. */
export function dropUnserved(managers: Managers, isServed: IsServed): void {
  for (const [key, { apiVersion }] of managers) if (!isServed(apiVersion)) managers.delete(key);
}

export function withSet(manager: Manager, set: FieldSet): Manager {
  return set === manager.set ? manager : { ...manager, set, encoded: undefined };
}

/** Writes managedFields in kube-apiserver's order: operation, time (seconds), manager, version, subresource. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] {
  return [...managers.values()]
    .filter((manager) => !isEmpty(manager.set))
    .sort(compareManagers)
    .map(encodeManager);
}

function encodeManager(entry: Manager): ManagedFieldsEntry {
  const { manager, operation, apiVersion, subresource, time, set, encoded } = entry;
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1: encoded ?? encodeFields(set),
    ...(subresource === "" ? {} : { subresource }),
  };
}

function compareManagers(a: Manager, b: Manager): number {
  return (
    order(a.operation, b.operation) ||
    seconds(a.time) - seconds(b.time) ||
    order(a.manager, b.manager) ||
    order(a.apiVersion, b.apiVersion) ||
    order(a.subresource, b.subresource)
  );
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Unix seconds; entries without a readable time come first. */
function seconds(time: string | undefined): number {
  const ms = time === undefined ? 0 : Date.parse(time);
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000);
}

const MAX_UPDATERS = 10;
const ANCIENT = "ancient-changes";

/** Merges the oldest Update entries of each version into one until at most 10 are left, in place. */
export function capUpdaters(managers: Managers): void {
  const oldestFirst = [...managers].filter(([, { operation }]) => operation === "Update");
  let excess = oldestFirst.length - MAX_UPDATERS;
  if (excess <= 0) return;
  oldestFirst.sort(([a, x], [b, y]) => seconds(x.time) - seconds(y.time) || order(a, b));
  const firstOfVersion = new Map<string, string>();
  for (const [key, entry] of oldestFirst) {
    if (excess <= 0) return;
    const first = firstOfVersion.get(entry.apiVersion);
    if (first === undefined) firstOfVersion.set(entry.apiVersion, key);
    else {
      mergeIntoBucket(managers, first, key, entry);
      excess--;
    }
  }
}

function mergeIntoBucket(managers: Managers, first: string, key: string, entry: Manager): void {
  const identity = { manager: ANCIENT, operation: "Update", apiVersion: entry.apiVersion, subresource: "" } as const;
  const bucket = managerKey(identity);
  const before = managers.get(bucket) ?? managers.get(first);
  managers.delete(first);
  managers.delete(key);
  managers.set(bucket, { ...identity, time: entry.time, set: before ? union(before.set, entry.set) : entry.set });
}
