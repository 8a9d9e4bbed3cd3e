import type { Executor } from "../command/types.ts";
import type { Driver, Plan, Step } from "../driver.ts";
import * as commands from "./commands.ts";
import { extentsFor, roundUpToExtents } from "./extents.ts";
import { cloneOrigin, type FillSource, fillSteps } from "./fill.ts";
import { blocked, mebibytes, nothing, ownerOf, step, steps, TAGS } from "./plans.ts";
import { realPaths } from "./probe.ts";
import { type LogicalVolume, parseReport, type VolumeGroup } from "./report.ts";
import { findPool } from "./volume-group.ts";

export interface DesiredVolume {
  readonly group: string;
  /** LVM's name of it. */
  readonly name: string;
  /** UID of the object that it belongs to. */
  readonly uid: string;
  readonly sizeBytes: number;
  /** Name of the pool for a thin volume; `undefined`: thick. */
  readonly thinPool: string | undefined;
  readonly fileSystem: FileSystem | undefined;
  readonly source: FillSource | undefined;
  readonly adopt: boolean;
  /** LVM's uuid when it was seen before: then it is never made again. */
  readonly knownUuid: string | undefined;
}

export interface FileSystem {
  readonly type: "ext4" | "xfs";
  readonly label: string | undefined;
}

export interface ObservedVolume {
  readonly scope: commands.Scope;
  readonly group: VolumeGroup | undefined;
  readonly volume: LogicalVolume | undefined;
  /** Where this host has it mounted. */
  readonly mountPoint: string | undefined;
}

export const volumeDevicePath = (group: string, name: string): string => `/dev/${group}/${name}`;

export async function observeVolume(
  target: { readonly group: string; readonly name: string; readonly scope: commands.Scope },
  exec: Executor,
  signal: AbortSignal,
): Promise<ObservedVolume> {
  const asked = commands.checkScope(target.scope);
  const scope = commands.checkScope([...new Set([...asked, ...(await realPaths(asked, exec, signal))])]);
  const report = parseReport((await exec.run(commands.reportCommand(scope), signal)).stdout);
  const group = report.groups.find(({ name }) => name === target.group);
  const volume = group?.logicalVolumes.find(({ name }) => name === target.name);
  const mountPoint = volume?.open === "yes" ? await observeMount(target, exec, signal) : undefined;
  return { scope, group, volume, mountPoint };
}

async function observeMount(
  { group, name }: { readonly group: string; readonly name: string },
  exec: Executor,
  signal: AbortSignal,
): Promise<string | undefined> {
  const mapped = `/dev/mapper/${mapperName(group)}-${mapperName(name)}`;
  return parseMounts((await exec.read("/proc/self/mounts", signal)) ?? "", [mapped, volumeDevicePath(group, name)]);
}

/** Device-mapper joins names by `-`, so LVM doubles those inside a name. */
const mapperName = (name: string): string => name.replaceAll("-", "--");

/** Mount point of a device in `/proc/self/mounts`; octal escapes stand for blanks. */
export function parseMounts(mounts: string, devices: readonly string[]): string | undefined {
  const line = mounts.split("\n").find((text) => devices.includes(text.split(" ")[0] ?? ""));
  return line
    ?.split(" ")[1]
    ?.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

export function planVolume(desired: DesiredVolume, observed: ObservedVolume): Plan {
  const { group, volume } = observed;
  if (group === undefined)
    return blocked("VolumeGroupMissing", `there is no volume group ${desired.group} on this host`);
  if (volume === undefined) return planCreation(desired, observed, group);
  const refusal = identityProblem(desired, volume);
  if (refusal !== undefined) return refusal;
  const path = `${group.name}/${volume.name}`;
  if (ownerOf(volume) === undefined)
    return steps(step(`mark ${path} as taken over`, commands.addTag(observed.scope, path, TAGS.owner(desired.uid))));
  if (volume.health !== "") return blocked("VolumeUnhealthy", `LVM says of ${path}: ${volume.health}`);
  if (volume.active === "unknown") return blocked("VolumeUnreadable", `LVM cannot say whether ${path} is active`);
  if (volume.active === "no") return steps(step(`activate ${path}`, commands.activate(observed.scope, path)));
  return planActive(desired, observed, group, volume);
}

function identityProblem(desired: DesiredVolume, volume: LogicalVolume): Plan | undefined {
  const owner = ownerOf(volume);
  const name = `${desired.group}/${volume.name}`;
  if (desired.knownUuid !== undefined && desired.knownUuid !== volume.uuid)
    return blocked(
      "VolumeReplaced",
      `${name} has uuid ${volume.uuid}, but ${desired.knownUuid} was seen before: this is another one`,
    );
  if (owner !== undefined && owner !== desired.uid)
    return blocked("NameTaken", `${name} belongs to another object, uid ${owner}`);
  if (owner === undefined && !desired.adopt)
    return blocked("NameTaken", `${name} exists and was not made here; set spec.adopt to take it over`);
  if (!volume.role.includes("public"))
    return blocked("NameTaken", `${name} is a part of another volume (${volume.role.join(", ")})`);
  const isThin = volume.pool !== undefined;
  if (!desired.adopt && isThin !== (desired.thinPool !== undefined))
    return blocked("VolumeReplaced", `${name} is ${isThin ? "thin" : "thick"}, which was not asked for`);
  return undefined;
}

/** Beyond this no new thin volume is made: a pool that fills up fails the writes of all its volumes. */
const POOL_FULL_PERCENT = 95;

function planCreation(desired: DesiredVolume, { scope }: ObservedVolume, group: VolumeGroup): Plan {
  const name = `${group.name}/${desired.name}`;
  if (desired.knownUuid !== undefined)
    return blocked(
      "VolumeLost",
      `${name} (${desired.knownUuid}) is gone; it is not made again, for that would hide the loss`,
    );
  if (desired.adopt) return blocked("AdoptNotFound", `there is no logical volume ${name}`);
  if (group.physicalVolumes.some(({ device }) => device === undefined))
    return blocked("PhysicalVolumeMissing", `volume group ${group.name} misses a disk: LVM makes nothing new in it`);
  const origin = cloneOrigin(desired.source, group);
  if (origin !== undefined && desired.source?.kind === "clone" && origin.sizeBytes > desired.sizeBytes)
    return blocked(
      "SourceTooLarge",
      `${name} is smaller than its source ${origin.name}, ${mebibytes(origin.sizeBytes)}`,
    );
  const needsFilling =
    desired.fileSystem !== undefined || (desired.source !== undefined && desired.source.kind !== "clone");
  const tags = [TAGS.owner(desired.uid), ...(needsFilling ? [TAGS.unfilled] : [])];
  const volume = { group: group.name, name: desired.name, tags };
  if (desired.thinPool === undefined) return planThick(desired, scope, group, tags);
  const pool = findPool(group, desired.thinPool);
  if (pool === undefined) return blocked("ThinPoolMissing", `volume group ${group.name} has no thin pool`);
  const fullest = Math.max(pool.dataPercent ?? 0, pool.metadataPercent ?? 0);
  if (fullest >= POOL_FULL_PERCENT)
    return blocked(
      "ThinPoolFull",
      `thin pool ${group.name}/${pool.name} is ${fullest} % full; raise spec.thinPool.size of its VolumeGroup`,
    );
  if (desired.source?.kind === "clone") {
    if (origin === undefined)
      return blocked("SourceMissing", `there is no thin volume ${desired.source.origin} to clone`);
    return steps(step(`clone ${origin.name} as ${name}`, commands.createThinSnapshot(scope, volume, origin.name)));
  }
  const sizeBytes = roundUpToExtents(desired.sizeBytes, group.extentSizeBytes);
  return steps(step(`create thin volume ${name}`, commands.createThin(scope, volume, pool.name, sizeBytes)));
}

function planThick(desired: DesiredVolume, scope: commands.Scope, group: VolumeGroup, tags: readonly string[]): Plan {
  const extents = extentsFor(desired.sizeBytes, group.extentSizeBytes);
  const lacking = spaceProblem(`${group.name}/${desired.name}`, extents * group.extentSizeBytes, group);
  if (lacking !== undefined) return lacking;
  const volume = { group: group.name, name: desired.name, extents, tags };
  return steps(step(`create volume ${group.name}/${desired.name}`, commands.createThick(scope, volume)));
}

const spaceProblem = (name: string, neededBytes: number, group: VolumeGroup): Plan | undefined =>
  neededBytes <= group.freeBytes
    ? undefined
    : blocked(
        "InsufficientSpace",
        `${name} needs ${mebibytes(neededBytes)}, ${group.name} has ${mebibytes(group.freeBytes)} free`,
      );

function planActive(desired: DesiredVolume, observed: ObservedVolume, group: VolumeGroup, volume: LogicalVolume): Plan {
  if (volume.tags.includes(TAGS.unfilled)) return planFilling(desired, observed, group, volume);
  const path = `${group.name}/${volume.name}`;
  const wanted = roundUpToExtents(desired.sizeBytes, group.extentSizeBytes);
  if (volume.sizeBytes > wanted)
    return blocked(
      "ShrinkRefused",
      `spec.size: ${path} has ${mebibytes(volume.sizeBytes)} and does not shrink to ${mebibytes(wanted)}; set at least what it has`,
    );
  if (volume.sizeBytes < wanted) return planGrowth(desired, observed, group, volume);
  if (volume.tags.includes(TAGS.growFileSystem)) return planFileSystemGrowth(desired, observed, path);
  return nothing;
}

/** From the start, as often as it takes: the tag goes only when all is done and durable. */
function planFilling(
  desired: DesiredVolume,
  { scope }: ObservedVolume,
  group: VolumeGroup,
  volume: LogicalVolume,
): Plan {
  const path = `${group.name}/${volume.name}`;
  if (volume.open !== "no") return blocked("DeviceInUse", `${path} is to be filled, but somebody has it open`);
  const filling = fillSteps({ ...desired, scope, group, volume });
  if (filling.kind === "blocked") return filling;
  return steps(...filling.steps, step(`${path} is filled`, commands.deleteTag(scope, path, TAGS.unfilled)));
}

function planGrowth(desired: DesiredVolume, observed: ObservedVolume, group: VolumeGroup, volume: LogicalVolume): Plan {
  const { scope } = observed;
  const path = `${group.name}/${volume.name}`;
  const extents = extentsFor(desired.sizeBytes, group.extentSizeBytes);
  if (volume.pool === undefined) {
    const lacking = spaceProblem(path, extents * group.extentSizeBytes - volume.sizeBytes, group);
    if (lacking !== undefined) return lacking;
  }
  const growsFileSystem = desired.fileSystem !== undefined && !volume.tags.includes(TAGS.growFileSystem);
  const mark: readonly Step[] = growsFileSystem
    ? [step(`note that the file system of ${path} is to grow`, commands.addTag(scope, path, TAGS.growFileSystem))]
    : [];
  return steps(...mark, step(`grow ${path} to ${mebibytes(desired.sizeBytes)}`, commands.extend(scope, path, extents)));
}

/**
 * Grows a file system that this host has mounted, or that nobody has open. In the hands of a guest or an importer it is
 * theirs: two kernels must not write to it. Then the tag stays, and it grows when they are done.
 */
function planFileSystemGrowth(desired: DesiredVolume, observed: ObservedVolume, path: string): Plan {
  const { scope, mountPoint, volume } = observed;
  const type = desired.fileSystem?.type;
  const device = volumeDevicePath(desired.group, desired.name);
  const finished = step(`the file system of ${path} has grown`, commands.deleteTag(scope, path, TAGS.growFileSystem));
  const grow = (...growing: readonly Step[]) => steps(...growing, finished);
  if (type === "xfs")
    return mountPoint === undefined ? nothing : grow(step(`grow xfs on ${path}`, commands.growXfs(mountPoint)));
  if (type !== "ext4") return steps(finished);
  if (mountPoint !== undefined) return grow(step(`grow ext4 on ${path}`, commands.growExt4(device)));
  if (volume?.open !== "no") return nothing;
  return grow(
    step(`check ext4 on ${path} before it grows`, commands.checkExt4(device)),
    step(`grow ext4 on ${path}`, commands.growExt4(device)),
  );
}

/** Whether the file system is still smaller than its volume, because somebody else has it open. */
export const fileSystemGrowthPending = (volume: LogicalVolume): boolean => volume.tags.includes(TAGS.growFileSystem);

export const logicalVolumeDriver = (
  target: Parameters<typeof observeVolume>[0],
): Driver<DesiredVolume, ObservedVolume> => ({
  observe: (exec, signal) => observeVolume(target, exec, signal),
  plan: planVolume,
});
