import type { Volume } from "../../crds/generated/volume.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import { onDiskName, onDiskNameProblem } from "../../crds/on-disk-name.ts";
import { isConditionTrue } from "../../machinery/conditions.ts";
import { formatBytes, parseBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, requeueAfter } from "../../machinery/result.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { BLOCKED_RETRY_MS, type ConditionFact, type Report, runPass } from "../pass.ts";
import { capacityOf, claimedBytes } from "./capacity.ts";

export interface VolumeBindingDeps {
  readonly volumes: ObjectAccess<Volume>;
  readonly volumeGroups: ObjectReader<VolumeGroup>;
}

const bound = (status: ConditionFact["status"], reason: string, message: string): ConditionFact => ({
  type: "Bound",
  status,
  reason,
  message,
});

const unbound = (reason: string, message: string): Report<Volume> => ({
  conditions: [bound("False", reason, message)],
  next: requeueAfter(BLOCKED_RETRY_MS, reason),
});

/**
 * Gives each Volume its place: the host of its volume group, when the group has room for it. One leader runs this, one
 * Volume at a time, so that no space is promised twice. A Volume that is bound stays bound to its group.
 */
export function volumeBindingReconciler(deps: VolumeBindingDeps): Reconcile {
  /** Bound in this term but perhaps not yet in the cache; by uid. */
  const assumed = new Map<string, Volume>();
  const placedOn = (group: string): Volume[] => {
    const seen = deps.volumes.list().filter(({ status }) => status?.hostName !== undefined);
    for (const { metadata } of seen) assumed.delete(metadata.uid ?? "");
    return [...seen, ...assumed.values()].filter(({ spec }) => spec.volumeGroupRef.name === group);
  };
  return async (context, request) => {
    const volume = deps.volumes.get(request);
    if (volume === undefined || volume.metadata.deletionTimestamp !== undefined) return done;
    // Bound, and seen so: from here on the object speaks for itself, also of where its group has gone since.
    if (volume.status?.hostName !== undefined) assumed.delete(volume.metadata.uid ?? "");
    if (assumed.has(volume.metadata.uid ?? "")) return done;
    const work = async () => {
      const report = bind(volume, deps, placedOn(volume.spec.volumeGroupRef.name));
      const hostName = report.fields?.hostName;
      if (hostName !== undefined && volume.status?.hostName === undefined)
        assumed.set(volume.metadata.uid ?? "", { ...volume, status: { hostName } });
      return report;
    };
    return runPass(context, deps.volumes, volume, work, "Bound");
  };
}

function bind(volume: Volume, deps: VolumeBindingDeps, placed: readonly Volume[]): Report<Volume> {
  const { name, namespace } = volume.metadata;
  const problem = onDiskNameProblem(onDiskName(namespace, name));
  if (problem !== undefined) return { conditions: [bound("False", "NameInvalid", problem)] };
  const groupName = volume.spec.volumeGroupRef.name;
  const group = deps.volumeGroups.get({ namespace: "", name: groupName });
  const was = volume.status?.hostName;
  // A group on a mirror goes where the mirror's primary goes, and its volumes with it.
  const follows = group?.spec.hostName === undefined ? group?.status?.hostName : undefined;
  if (was !== undefined) return boundTo(follows ?? was, groupName);
  if (group === undefined)
    return unbound("VolumeGroupMissing", `spec.volumeGroupRef: there is no VolumeGroup ${groupName}`);
  const hostName = group.status?.hostName;
  if (hostName === undefined || !isConditionTrue(group.status?.conditions, "Ready"))
    return unbound("VolumeGroupNotReady", `VolumeGroup ${groupName} is not ready: see its conditions`);
  const lack = lackOfSpace(volume, group, placed);
  return lack ?? boundTo(hostName, groupName);
}

const boundTo = (hostName: string, group: string): Report<Volume> => ({
  fields: { hostName },
  conditions: [bound("True", "Bound", `has its place in ${group} on ${hostName}`)],
});

function lackOfSpace(volume: Volume, group: VolumeGroup, placed: readonly Volume[]): Report<Volume> | undefined {
  const name = group.metadata.name;
  if (volume.spec.thin) {
    if (group.spec.thinPool !== undefined) return undefined;
    return unbound("NoThinPool", `spec.thin: VolumeGroup ${name} has no thin pool; set its spec.thinPool`);
  }
  if (volume.spec.adopt !== undefined) return undefined; // its space is taken already
  const capacity = capacityOf(group, placed);
  // What LVM itself has left counts too: a group may hold volumes that are not ours.
  const free = Math.min(capacity.sizeBytes - capacity.claimedBytes, parseBytes(group.status?.free ?? "0"));
  const asked = claimedBytes(volume, group);
  if (asked <= free) return undefined;
  return unbound(
    "InsufficientCapacity",
    `spec.size: ${formatBytes(asked)} do not fit: VolumeGroup ${name} has ${formatBytes(Math.max(0, free))} left of ${formatBytes(capacity.sizeBytes)}`,
  );
}
