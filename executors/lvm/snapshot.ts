import type { Driver, Plan } from "../driver.ts";
import * as commands from "./commands.ts";
import { extentsFor } from "./extents.ts";
import { type ObservedVolume, observeVolume } from "./logical-volume.ts";
import { blocked, mebibytes, nothing, ownerOf, step, steps, TAGS } from "./plans.ts";
import type { LogicalVolume, VolumeGroup } from "./report.ts";

export interface DesiredSnapshot {
  readonly group: string;
  readonly name: string;
  readonly uid: string;
  /** LVM's name of the volume that it is of. */
  readonly origin: string;
  /** Space for changes; thick only. */
  readonly sizeBytes: number | undefined;
  /** LVM's uuid when it was seen before: then it is never taken again, for it would be of another moment. */
  readonly knownUuid: string | undefined;
}

export function planSnapshot(desired: DesiredSnapshot, observed: ObservedVolume): Plan {
  const { group, volume } = observed;
  const name = `${desired.group}/${desired.name}`;
  if (group === undefined)
    return blocked("VolumeGroupMissing", `there is no volume group ${desired.group} on this host`);
  if (volume === undefined) {
    if (desired.knownUuid !== undefined) return blocked("SnapshotLost", `${name} (${desired.knownUuid}) is gone`);
    return planTaking(desired, observed, group);
  }
  if (ownerOf(volume) !== desired.uid) return blocked("NameTaken", `${name} exists and belongs to something else`);
  if (desired.knownUuid !== undefined && desired.knownUuid !== volume.uuid)
    return blocked("SnapshotLost", `${name} has uuid ${volume.uuid}, but ${desired.knownUuid} was seen before`);
  if (volume.origin !== undefined && volume.origin !== desired.origin)
    return blocked("NameTaken", `${name} is of ${volume.origin}, not of ${desired.origin}`);
  if (volume.invalid === "yes")
    return blocked("SnapshotOverflowed", `${name} ran out of space for changes and its content is lost; delete it`);
  if (volume.active === "no") return steps(step(`activate ${name}`, commands.activate(observed.scope, name)));
  return planGrowth(desired, observed, group, volume);
}

/** A mounted file system is brought into a clean state by the kernel, which freezes it for the moment. */
function planTaking(desired: DesiredSnapshot, { scope }: ObservedVolume, group: VolumeGroup): Plan {
  const name = `${group.name}/${desired.name}`;
  const origin = group.logicalVolumes.find((one) => one.name === desired.origin);
  if (origin === undefined) return blocked("SourceMissing", `there is no volume ${group.name}/${desired.origin}`);
  if (origin.tags.includes(TAGS.unfilled)) return blocked("SourceNotReady", `${desired.origin} is not filled yet`);
  const volume = { group: group.name, name: desired.name, tags: [TAGS.owner(desired.uid)] };
  const why = `take snapshot ${name} of ${desired.origin}`;
  if (origin.pool !== undefined) {
    if (desired.sizeBytes !== undefined)
      return blocked("SizeNotAllowed", `${desired.origin} is thin: its snapshots share the pool, leave spec.size out`);
    return steps(step(why, commands.createThinSnapshot(scope, volume, origin.name)));
  }
  if (desired.sizeBytes === undefined)
    return blocked(
      "SizeRequired",
      `${desired.origin} is thick: its snapshot needs spec.size for what changes afterwards`,
    );
  const extents = extentsFor(desired.sizeBytes, group.extentSizeBytes);
  if (extents * group.extentSizeBytes > group.freeBytes)
    return blocked(
      "InsufficientSpace",
      `${name} needs ${mebibytes(desired.sizeBytes)}, ${group.name} has ${mebibytes(group.freeBytes)} free`,
    );
  return steps(step(why, commands.createThickSnapshot(scope, { ...volume, extents }, origin.name)));
}

/** More room for changes keeps a thick snapshot from overflowing; of a snapshot LVM reports this room as its size. */
function planGrowth(
  desired: DesiredSnapshot,
  observed: ObservedVolume,
  group: VolumeGroup,
  volume: LogicalVolume,
): Plan {
  if (desired.sizeBytes === undefined || volume.pool !== undefined) return nothing;
  const extents = extentsFor(desired.sizeBytes, group.extentSizeBytes);
  const missing = extents * group.extentSizeBytes - volume.sizeBytes;
  if (missing <= 0) return nothing;
  const path = `${group.name}/${volume.name}`;
  if (missing > group.freeBytes)
    return blocked(
      "InsufficientSpace",
      `${path} lacks ${mebibytes(missing)}, ${group.name} has ${mebibytes(group.freeBytes)} free`,
    );
  return steps(step(`grow the room of snapshot ${path}`, commands.extend(observed.scope, path, extents)));
}

export const snapshotDriver = (
  target: Parameters<typeof observeVolume>[0],
): Driver<DesiredSnapshot, ObservedVolume> => ({
  observe: (exec, signal) => observeVolume(target, exec, signal),
  plan: planSnapshot,
});
