import type { Executor } from "../command/types.ts";
import type { Driver, Plan } from "../driver.ts";
import * as commands from "./commands.ts";
import { extentsFor, thinPoolFootprint } from "./extents.ts";
import { inUseMessage } from "../host/holders.ts";
import { type LeftDevice, observeLeftDevices, planLeftDevices } from "./left-over.ts";
import { blocked, mebibytes, nothing, ownerOf, step, steps, TAGS } from "./plans.ts";
import { type DeviceProbe, probeDevice, realPaths } from "./probe.ts";
import { type LogicalVolume, type LvmReport, type PhysicalVolume, parseReport, type VolumeGroup } from "./report.ts";

export interface DesiredVolumeGroup {
  /** LVM's name of it. */
  readonly name: string;
  /** UID of the object that it belongs to. */
  readonly uid: string;
  /** Paths as the object gives them, links or not. */
  readonly devices: readonly string[];
  readonly thinPool: DesiredPool | undefined;
  /** Take over what exists; never make. */
  readonly adopt: boolean;
  /** The object allows devices that hold something to be wiped. */
  readonly overwrite: boolean;
  /** LVM's uuid when it was seen before: then it is never made again. */
  readonly knownUuid: string | undefined;
  /** LVM's uuids of the devices that it was last seen to have. */
  readonly knownDeviceUuids: readonly string[];
}

interface DesiredPool {
  readonly name: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number | undefined;
}

export interface ObservedVolumeGroup {
  readonly scope: commands.Scope;
  readonly report: LvmReport;
  readonly group: VolumeGroup | undefined;
  /** One for each desired device, in the same order. */
  readonly devices: readonly DeviceProbe[];
  /** What the kernel still has of a group that is on none of its devices any more. */
  readonly left: readonly LeftDevice[];
}

/**
 * Looks at the volume group and at the devices it should be made of. `scope`: all devices of volume groups on this host;
 * nothing else is visible to LVM.
 */
export async function observeVolumeGroup(
  target: {
    readonly name: string;
    readonly devices: readonly string[];
    readonly scope: commands.Scope;
    /** LVM's uuid of it when it was seen before. */
    readonly knownUuid?: string | undefined;
  },
  exec: Executor,
  signal: AbortSignal,
): Promise<ObservedVolumeGroup> {
  const asked = commands.checkScope([...new Set([...target.scope, ...target.devices])]);
  const real = await realPaths(asked, exec, signal);
  const scope = commands.checkScope([...new Set([...asked, ...real])]);
  const report = parseReport((await exec.run(commands.reportCommand(scope), signal)).stdout);
  const group = report.groups.find(({ name }) => name === target.name);
  const devices: DeviceProbe[] = [];
  for (const path of target.devices) {
    const realPath = real[asked.indexOf(path)] ?? path;
    const member = group?.physicalVolumes.some(({ device }) => device === realPath || device === path);
    // What is in the group already is not probed: it is never wiped.
    devices.push(
      member
        ? { path, realPath, present: "yes", signatures: ["LVM2_member"], holdsData: "yes", claims: [] }
        : await probeDevice(path, realPath, exec, signal),
    );
  }
  const lost = group === undefined && target.knownUuid !== undefined;
  const left = lost ? await observeLeftDevices(target.knownUuid, exec, signal) : [];
  return { scope, report, group, devices, left };
}

export function planVolumeGroup(desired: DesiredVolumeGroup, observed: ObservedVolumeGroup): Plan {
  const { group } = observed;
  if (group === undefined) return planCreation(desired, observed);
  const refusal = identityProblem(desired, group);
  if (refusal !== undefined) return refusal;
  const missing = group.physicalVolumes.filter(({ device }) => device === undefined);
  if (missing.length > 0)
    return blocked(
      "PhysicalVolumeMissing",
      `volume group ${group.name} misses ${missing.map(({ uuid }) => uuid).join(", ")}; put the disk back, or replace it`,
    );
  if (ownerOf(group) === undefined)
    return steps(
      step(
        `mark volume group ${group.name} as taken over`,
        commands.vgAddTag(observed.scope, group.name, TAGS.owner(desired.uid)),
      ),
    );
  return (
    planResumedMove(group, observed) ??
    planLeftLabel(desired.knownDeviceUuids, observed) ??
    planAddedDevice(desired, observed, group) ??
    planRemovedDevice(group, observed) ??
    planGrownDevice(group, observed) ??
    planPool(desired, observed, group)
  );
}

function identityProblem(desired: DesiredVolumeGroup, group: VolumeGroup): Plan | undefined {
  const owner = ownerOf(group);
  if (desired.knownUuid !== undefined && desired.knownUuid !== group.uuid)
    return blocked(
      "VolumeGroupReplaced",
      `volume group ${group.name} has uuid ${group.uuid}, but ${desired.knownUuid} was seen before: this is another one`,
    );
  if (owner !== undefined && owner !== desired.uid)
    return blocked("NameTaken", `volume group ${group.name} belongs to another VolumeGroup object, uid ${owner}`);
  if (owner === undefined && !desired.adopt)
    return blocked(
      "NotOurs",
      `volume group ${group.name} exists and was not made here; set spec.adopt to take it over`,
    );
  if (group.exported) return blocked("VolumeGroupExported", `volume group ${group.name} is exported; run vgimport`);
  return undefined;
}

function planCreation(desired: DesiredVolumeGroup, observed: ObservedVolumeGroup): Plan {
  const { name } = desired;
  if (desired.knownUuid !== undefined)
    return blocked(
      "VolumeGroupLost",
      `volume group ${name} (${desired.knownUuid}) is on none of its devices; it is not made again, for that would hide the loss`,
    );
  if (desired.adopt)
    return blocked("AdoptNotFound", `there is no volume group ${name} on ${desired.devices.join(", ")}`);
  const problem = observed.devices.map((device) => deviceProblem(device, desired, observed.report)).find(Boolean);
  if (problem !== undefined) return problem;
  const paths = observed.devices.map(({ realPath }) => realPath);
  return steps(
    ...observed.devices.flatMap(wiping),
    step(
      `create volume group ${name} on ${paths.join(", ")}`,
      commands.vgcreate(observed.scope, name, TAGS.owner(desired.uid), paths),
    ),
  );
}

const wiping = (device: DeviceProbe) =>
  device.signatures.length === 0
    ? []
    : [step(`wipe ${device.signatures.join(", ")} from ${device.path}`, commands.wipeSignatures(device.realPath))];

/** Why a device cannot be taken in, if so. */
function deviceProblem(device: DeviceProbe, desired: DesiredVolumeGroup, report: LvmReport): Plan | undefined {
  const { path, realPath } = device;
  if (device.present === "no")
    return blocked(
      "DeviceMissing",
      `spec.physicalVolumes: there is no device ${path}; \`ls -l /dev/disk/by-id\` on the host shows what there is`,
    );
  const other = report.groups.find(({ physicalVolumes }) => physicalVolumes.some((pv) => pv.device === realPath));
  if (other !== undefined)
    return blocked(
      "DeviceInUse",
      `spec.physicalVolumes: ${path} is a physical volume of volume group ${other.name}; overwrite does not apply`,
    );
  if (device.claims.length > 0)
    return blocked(
      "DeviceInUse",
      `spec.physicalVolumes: ${inUseMessage(path, device.claims)}; name another device, or end that use`,
    );
  if (device.present === "unknown" || device.holdsData === "unknown")
    return blocked("DeviceUnreadable", `spec.physicalVolumes: ${path} cannot be read, so nobody knows what it holds`);
  if (device.holdsData === "yes" && !desired.overwrite)
    return blocked(
      "DeviceHoldsData",
      `spec.physicalVolumes: ${path} holds ${device.signatures.join(", ") || "data without a signature"}; set spec.overwrite to wipe it`,
    );
  return undefined;
}

const isMember = (group: VolumeGroup, device: DeviceProbe): boolean =>
  group.physicalVolumes.some((pv) => pv.device === device.realPath || pv.device === device.path);

function planAddedDevice(
  desired: DesiredVolumeGroup,
  observed: ObservedVolumeGroup,
  group: VolumeGroup,
): Plan | undefined {
  const added = observed.devices.find((device) => !isMember(group, device));
  if (added === undefined) return undefined;
  const problem = deviceProblem(added, desired, observed.report);
  if (problem !== undefined) return problem;
  return steps(
    ...wiping(added),
    step(
      `add ${added.path} to volume group ${group.name}`,
      commands.vgextend(observed.scope, group.name, added.realPath),
    ),
  );
}

const isMove = ({ role }: LogicalVolume): boolean => role.includes("pvmove");

/** A move that a crash or a shutdown cut short goes on before anything else. */
function planResumedMove(group: VolumeGroup, observed: ObservedVolumeGroup): Plan | undefined {
  const move = group.logicalVolumes.find(isMove);
  if (move === undefined) return undefined;
  // LVM then says "Skipping inactive LV", exit 0, and does nothing.
  if (move.active !== "yes")
    return blocked(
      "MoveWaits",
      `data is being moved within ${group.name}; it goes on when its volumes are active again`,
    );
  return steps(step(`go on moving data within volume group ${group.name}`, commands.pvmoveResume(observed.scope)));
}

function planRemovedDevice(group: VolumeGroup, observed: ObservedVolumeGroup): Plan | undefined {
  const wanted = new Set(observed.devices.flatMap(({ path, realPath }) => [path, realPath]));
  const removed = group.physicalVolumes.find(({ device }) => device !== undefined && !wanted.has(device));
  if (removed?.device === undefined) return undefined;
  const others = group.physicalVolumes.filter((pv) => pv !== removed && wanted.has(pv.device ?? ""));
  if (others.length === 0)
    return blocked("LastDevice", `${removed.device} is the only device of volume group ${group.name}`);
  const free = others.reduce((sum, pv) => sum + freeBytes(pv), 0);
  if (removed.usedBytes > free)
    return blocked(
      "DeviceStillNeeded",
      `${removed.device} holds ${mebibytes(removed.usedBytes)}, the other devices of ${group.name} have ` +
        `${mebibytes(free)} free; delete volumes or add a device first`,
    );
  const { scope } = observed;
  const { device } = removed;
  const move =
    removed.usedBytes === 0
      ? []
      : [step(`move what is on ${device} to the other devices`, commands.pvmove(scope, device))];
  return steps(
    ...move,
    step(`take ${device} out of volume group ${group.name}`, commands.vgreduce(scope, group.name, device)),
    step(`remove LVM's label from ${device}`, commands.pvremove(scope, device)),
  );
}

/**
 * A crash after a device was taken out leaves LVM's label on it, a physical volume of nobody. By uuid: whatever else has
 * come to this name meanwhile is not touched.
 */
function planLeftLabel(uuids: readonly string[], { report, scope }: ObservedVolumeGroup): Plan | undefined {
  const left = report.orphans.find(({ uuid, device }) => device !== undefined && uuids.includes(uuid));
  if (left?.device === undefined) return undefined;
  return steps(step(`remove LVM's label from ${left.device}`, commands.pvremove(scope, left.device)));
}

/** A device that grew (a mirror, a virtual disk) gives its new room to the group. */
function planGrownDevice(group: VolumeGroup, { scope }: ObservedVolumeGroup): Plan | undefined {
  const grown = group.physicalVolumes.find((pv) => {
    const extents = Math.floor((pv.deviceBytes - pv.dataOffsetBytes) / group.extentSizeBytes);
    // One extent is left for what LVM may keep at the end of a device.
    return extents > pv.sizeBytes / group.extentSizeBytes + 1;
  });
  if (grown?.device === undefined) return undefined;
  return steps(step(`take in the new size of ${grown.device}`, commands.pvresize(scope, grown.device)));
}

const freeBytes = (pv: PhysicalVolume): number => pv.sizeBytes - pv.usedBytes;

/** The thin pool: by name, or in a group that was taken over the only one there is. */
export function findPool(group: VolumeGroup, name: string): LogicalVolume | undefined {
  const pools = group.logicalVolumes.filter(({ layout }) => layout.includes("thin") && layout.includes("pool"));
  return pools.find((pool) => pool.name === name) ?? (pools.length === 1 ? pools[0] : undefined);
}

function planPool(desired: DesiredVolumeGroup, observed: ObservedVolumeGroup, group: VolumeGroup): Plan {
  const wanted = desired.thinPool;
  if (wanted === undefined) return nothing;
  const { scope } = observed;
  const extents = extentsFor(wanted.sizeBytes, group.extentSizeBytes);
  const pool = findPool(group, wanted.name);
  if (pool === undefined) {
    const footprint = thinPoolFootprint(wanted.sizeBytes, group.extentSizeBytes, wanted.chunkBytes);
    if (footprint > group.freeBytes)
      return blocked(
        "InsufficientSpace",
        `spec.thinPool.size: a thin pool of ${mebibytes(wanted.sizeBytes)} takes ${mebibytes(footprint)} with its metadata, ${group.name} ` +
          `has ${mebibytes(group.freeBytes)} free`,
      );
    const volume = { group: group.name, name: wanted.name, extents, tags: [TAGS.owner(desired.uid)] };
    return steps(
      step(`create thin pool ${wanted.name} in ${group.name}`, commands.createPool(scope, volume, wanted.chunkBytes)),
    );
  }
  const missing = extents * group.extentSizeBytes - pool.sizeBytes;
  if (missing < 0)
    return blocked(
      "ShrinkRefused",
      `spec.thinPool.size: the thin pool of ${group.name} has ${mebibytes(pool.sizeBytes)} and cannot shrink; set at least that`,
    );
  if (missing === 0) return pool.active === "no" ? activation(scope, group, pool) : nothing;
  if (missing > group.freeBytes)
    return blocked(
      "InsufficientSpace",
      `spec.thinPool.size: the thin pool lacks ${mebibytes(missing)}, ${group.name} has ${mebibytes(group.freeBytes)} free`,
    );
  return steps(
    step(
      `grow the thin pool of ${group.name} to ${mebibytes(wanted.sizeBytes)}`,
      commands.extend(scope, `${group.name}/${pool.name}`, extents),
    ),
  );
}

const activation = (scope: commands.Scope, group: VolumeGroup, pool: LogicalVolume): Plan =>
  steps(step(`activate the thin pool of ${group.name}`, commands.activate(scope, `${group.name}/${pool.name}`)));

/** Takes all of a volume group out of use on this host; what somebody has open stays, and is named. */
export function planVolumeGroupLeaving({ group, scope }: ObservedVolumeGroup): Plan {
  const active = group?.logicalVolumes.filter(({ active }) => active !== "no") ?? [];
  if (group === undefined || active.length === 0) return nothing;
  // A pool is held open by its own thin volumes.
  const open = active.filter(
    ({ open, role, layout }) => open !== "no" && role.includes("public") && !layout.includes("pool"),
  );
  if (open.length > 0)
    return blocked(
      "VolumesInUse",
      `${open.map(({ name }) => name).join(", ")} of ${group.name} is open: unmount it, stop the guest or delete the export; then ` +
        "the primary can move",
    );
  return steps(step(`take volume group ${group.name} out of use`, commands.vgDeactivate(scope, group.name)));
}

/** Dissolves a volume group: only an empty one (its own thin pool does not count), and only one of ours. */
export function planVolumeGroupRemoval(
  target: {
    readonly name: string;
    readonly uid: string;
    readonly poolName: string;
    /** LVM's uuids of the devices that it was last seen to have. */
    readonly knownDeviceUuids: readonly string[];
  },
  observed: ObservedVolumeGroup,
): Plan {
  const { group, scope } = observed;
  if (group === undefined)
    return planLeftLabel(target.knownDeviceUuids, observed) ?? planLeftDevices(observed.left) ?? nothing;
  if (ownerOf(group) !== target.uid)
    return blocked("NotOurs", `volume group ${group.name} does not belong to this object`);
  const inside = group.logicalVolumes.filter(({ role, name }) => !role.includes("private") && name !== target.poolName);
  if (inside.length > 0)
    return blocked("NotEmpty", `volume group ${group.name} still has ${inside.map(({ name }) => name).join(", ")}`);
  const pool = group.logicalVolumes.filter(({ name }) => name === target.poolName);
  return steps(
    ...pool.map(({ name }) => step(`remove thin pool ${name}`, commands.remove(scope, `${group.name}/${name}`))),
    step(`remove volume group ${group.name}`, commands.vgremove(scope, group.name)),
    ...group.physicalVolumes.flatMap(({ device }) =>
      device === undefined ? [] : [step(`remove LVM's label from ${device}`, commands.pvremove(scope, device))],
    ),
  );
}

export const volumeGroupDriver = (
  target: Parameters<typeof observeVolumeGroup>[0],
): Driver<DesiredVolumeGroup, ObservedVolumeGroup> => ({
  observe: (exec, signal) => observeVolumeGroup(target, exec, signal),
  plan: planVolumeGroup,
});
