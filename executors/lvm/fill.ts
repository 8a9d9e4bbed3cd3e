import type { Plan, Step } from "../driver.ts";
import * as commands from "./commands.ts";
import { extentsFor } from "./extents.ts";
import { blocked, mebibytes, step, TAGS } from "./plans.ts";
import type { LogicalVolume, VolumeGroup } from "./report.ts";

/** What a new volume starts with. */
export type FillSource =
  /** A thin volume or thin snapshot of the same pool: shares its blocks, made at once. */
  | { readonly kind: "clone"; readonly origin: string }
  /** Any volume or snapshot of the same volume group, byte by byte. */
  | { readonly kind: "copy"; readonly origin: string }
  | { readonly kind: "file"; readonly path: string; readonly sha256: string | undefined }
  | { readonly kind: "url"; readonly url: string; readonly sha256: string };

/** Fetched images, by their checksum: one copy for all volumes made of them while they are made. */
export const imagePath = (sha256: string): string => `/var/lib/ferrite/images/${sha256}`;

interface Filling {
  readonly scope: commands.Scope;
  readonly group: VolumeGroup;
  readonly volume: LogicalVolume;
  readonly source: FillSource | undefined;
  readonly fileSystem: { readonly type: "ext4" | "xfs"; readonly label: string | undefined } | undefined;
}

/** The volume that a clone or copy starts from. */
export function cloneOrigin(source: FillSource | undefined, group: VolumeGroup): LogicalVolume | undefined {
  if (source?.kind !== "clone" && source?.kind !== "copy") return undefined;
  return group.logicalVolumes.find(({ name }) => name === source.origin);
}

/** What it takes to fill a volume that nobody was given yet. Done again from the start after a crash. */
export function fillSteps(filling: Filling): Plan {
  const { source, fileSystem, group, volume } = filling;
  const device = `/dev/${group.name}/${volume.name}`;
  if (fileSystem !== undefined) {
    const { type, label } = fileSystem;
    return { kind: "steps", steps: [step(`make ${type} on ${device}`, commands.makeFileSystem(type, label, device))] };
  }
  // A clone has its content from birth.
  if (source === undefined || source.kind === "clone") return { kind: "steps", steps: [] };
  if (source.kind === "copy") return copySteps(filling, source.origin, device);
  if (source.kind === "file") return { kind: "steps", steps: imageSteps(source.path, source.sha256, device, volume) };
  const path = imagePath(source.sha256);
  const fetch = step(`fetch ${source.url}`, commands.fetchImage(source.url, path));
  const tidy = step("remove the fetched image", commands.removeFile(path));
  return { kind: "steps", steps: [fetch, ...imageSteps(path, source.sha256, device, volume), tidy] };
}

function imageSteps(path: string, sha256: string | undefined, device: string, volume: LogicalVolume): readonly Step[] {
  const check = sha256 === undefined ? [] : [step(`check the sum of ${path}`, commands.checkSha256(path, sha256))];
  return [...check, ...copying(path, device, volume)];
}

/** A sparse copy skips zeros, so nothing may be left on a thin volume from an attempt that was cut short. */
function copying(from: string, device: string, volume: LogicalVolume): readonly Step[] {
  const sparse = volume.pool !== undefined;
  const empty = sparse ? [step(`empty ${device}`, commands.discard(device))] : [];
  return [...empty, step(`copy ${from} to ${device}`, commands.copyDevice(from, device, { sparse }))];
}

/** A tenth of the origin, at least 64 MiB, for what is written to it while it is copied. */
const COPY_SNAPSHOT_SHARE = 10;
const COPY_SNAPSHOT_MIN_BYTES = 64 * 2 ** 20;

/** Copies a snapshot as it is, and a volume in use from a snapshot made for the purpose. */
function copySteps(filling: Filling, originName: string, device: string): Plan {
  const { scope, group, volume } = filling;
  const origin = group.logicalVolumes.find(({ name }) => name === originName);
  if (origin === undefined)
    return blocked("SourceMissing", `there is no volume ${originName} in ${group.name} to copy`);
  const originBytes = origin.originSizeBytes ?? origin.sizeBytes;
  if (originBytes > volume.sizeBytes)
    return blocked("SourceTooLarge", `${originName} has ${mebibytes(originBytes)}, more than ${volume.name}`);
  const copy = (from: string) => copying(`/dev/${group.name}/${from}`, device, volume);
  if (origin.role.includes("snapshot") && origin.open === "no") return { kind: "steps", steps: copy(originName) };
  const name = `${volume.name}_source`;
  const path = `${group.name}/${name}`;
  const tags = [TAGS.unfilled];
  const size = Math.max(origin.sizeBytes / COPY_SNAPSHOT_SHARE, COPY_SNAPSHOT_MIN_BYTES);
  const extents = extentsFor(Math.min(size, origin.sizeBytes), group.extentSizeBytes);
  const leftOver = group.logicalVolumes.some((one) => one.name === name);
  const make =
    origin.pool === undefined
      ? commands.createThickSnapshot(scope, { group: group.name, name, extents, tags }, originName)
      : commands.createThinSnapshot(scope, { group: group.name, name, tags }, originName);
  return {
    kind: "steps",
    steps: [
      ...(leftOver ? [step(`remove ${path}, left by an earlier attempt`, commands.remove(scope, path))] : []),
      step(`take a snapshot of ${originName} to copy from`, make),
      ...copy(name),
      step(`remove ${path}`, commands.remove(scope, path)),
    ],
  };
}
