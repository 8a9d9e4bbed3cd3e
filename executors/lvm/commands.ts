import { TerminalError } from "../../machinery/errors.ts";
import type { Command } from "../command/types.ts";

/** Device paths that LVM may look at. Everything else is invisible to it. */
export type Scope = readonly string[];

const CHANGE_TIMEOUT_MS = 120_000;
/** Moving or copying the content of disks takes hours; what is cut short goes on from the next pass. */
const BULK_TIMEOUT_MS = 24 * 3600_000;

/**
 * LVM sees the given devices and nothing else. Otherwise it would also read what is inside DRBD's backing disks, guests'
 * volumes and imported devices: a volume group of a guest, or the same one twice (under DRBD and on it), and a write
 * through the wrong path would pass the mirror by. `scan_lvs=0` keeps it out of logical volumes; a devices file
 * (lvmdevices(8)) would overrule the filter.
 */
function scopeConfig(scope: Scope): string {
  const accept = scope.map((path) => `"a|^${path.replaceAll(/[.+]/g, "[$&]")}$|"`);
  const filter = `[${[...accept, '"r|.*|"'].join(",")}]`;
  return `devices{use_devicesfile=0 scan_lvs=0 filter=${filter} global_filter=${filter}}`;
}

/** Throws TerminalError for a path that the filter's syntax cannot carry. */
export function checkScope(scope: Scope): Scope {
  for (const path of scope)
    if (!/^\/dev\/[-A-Za-z0-9_+.:/]+$/.test(path))
      throw new TerminalError("DeviceInvalid", `${JSON.stringify(path)} is not a path of a device`);
  return scope;
}

const lvm = (scope: Scope, mutates: boolean, verb: string, args: readonly string[], timeoutMs: number): Command => ({
  kind: "run",
  argv: ["lvm", verb, "--config", scopeConfig(scope), ...args],
  mutates,
  timeoutMs,
});

const change = (scope: Scope, verb: string, ...args: readonly string[]): Command =>
  lvm(scope, true, verb, args, CHANGE_TIMEOUT_MS);

const REPORT_COLUMNS = {
  vg: "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,vg_missing_pv_count,vg_exported,vg_tags",
  pv: "pv_name,pv_uuid,pv_size,pv_used,pv_missing,dev_size,pe_start,vg_name",
  lv:
    "lv_name,lv_uuid,lv_size,lv_tags,lv_layout,lv_role,lv_active_locally,lv_device_open,origin,origin_size,pool_lv,data_percent," +
    "metadata_percent,lv_snapshot_invalid,lv_health_status",
  // A full report always has these two; the least that they can say.
  pvseg: "pv_name",
  seg: "lv_uuid",
};

/** Everything in scope, in one consistent reading. */
export function reportCommand(scope: Scope): Command {
  const columns = Object.entries(REPORT_COLUMNS).flatMap(([kind, names]) => ["--configreport", kind, "-o", names]);
  const format = ["--reportformat", "json", "--units", "b", "--nosuffix", "--binary", "--all"];
  return lvm(scope, false, "fullreport", [...format, ...columns], CHANGE_TIMEOUT_MS);
}

/**
 * Not activated by the system at boot: the agent does it, once it knows that nothing else may. Without `--yes` LVM asks
 * before it overwrites a signature, hears nothing, and stops.
 */
export const vgcreate = (scope: Scope, name: string, tag: string, devices: readonly string[]): Command =>
  change(scope, "vgcreate", "--setautoactivation", "n", "--addtag", tag, name, ...devices);
export const vgextend = (scope: Scope, name: string, device: string): Command =>
  change(scope, "vgextend", name, device);
export const vgreduce = (scope: Scope, name: string, device: string): Command =>
  change(scope, "vgreduce", name, device);
export const vgremove = (scope: Scope, name: string): Command => change(scope, "vgremove", name);
export const vgAddTag = (scope: Scope, name: string, tag: string): Command =>
  change(scope, "vgchange", "--addtag", tag, name);
/** All of its volumes; fails, and leaves some active, when one is open. */
export const vgDeactivate = (scope: Scope, name: string): Command => change(scope, "vgchange", "--activate", "n", name);
export const pvremove = (scope: Scope, device: string): Command => change(scope, "pvremove", device);
export const pvresize = (scope: Scope, device: string): Command => change(scope, "pvresize", device);
/** Empties a device onto the others of its volume group. Interrupted, it goes on with `pvmoveResume`. */
export const pvmove = (scope: Scope, device: string): Command =>
  lvm(scope, true, "pvmove", ["--interval", "1", device], BULK_TIMEOUT_MS);
export const pvmoveResume = (scope: Scope): Command => lvm(scope, true, "pvmove", ["--interval", "1"], BULK_TIMEOUT_MS);

export interface NewVolume {
  readonly group: string;
  readonly name: string;
  readonly extents: number;
  readonly tags: readonly string[];
}

/** `target`: the volume group, or the volume that a snapshot is of. */
function lvcreate(
  scope: Scope,
  volume: Omit<NewVolume, "extents">,
  args: readonly string[],
  target = volume.group,
): Command {
  const tags = volume.tags.flatMap((tag) => ["--addtag", tag]);
  return change(scope, "lvcreate", ...args, ...tags, "--name", volume.name, target);
}

/** `--yes` answers for signatures that a former volume left in the extents, which belong to nobody any more. */
export const createThick = (scope: Scope, volume: NewVolume): Command =>
  lvcreate(scope, volume, [
    "--yes",
    "--wipesignatures",
    "y",
    "--zero",
    "y",
    "--type",
    "linear",
    "--extents",
    String(volume.extents),
  ]);

export const createThin = (
  scope: Scope,
  volume: Omit<NewVolume, "extents">,
  pool: string,
  sizeBytes: number,
): Command => lvcreate(scope, volume, ["--type", "thin", "--virtualsize", `${sizeBytes}b`, "--thinpool", pool]);

export const createPool = (scope: Scope, volume: NewVolume, chunkBytes: number | undefined): Command =>
  lvcreate(scope, volume, [
    "--yes",
    "--type",
    "thin-pool",
    "--zero",
    "y",
    "--extents",
    String(volume.extents),
    ...(chunkBytes === undefined ? [] : ["--chunksize", `${chunkBytes}b`]),
  ]);

export const createThickSnapshot = (scope: Scope, volume: NewVolume, origin: string): Command =>
  lvcreate(scope, volume, ["--type", "snapshot", "--extents", String(volume.extents)], `${volume.group}/${origin}`);

/** Also a thin clone: to LVM they are one. Without activation skip, which LVM sets on thin snapshots. */
export const createThinSnapshot = (scope: Scope, volume: Omit<NewVolume, "extents">, origin: string): Command =>
  lvcreate(scope, volume, ["--snapshot", "--setactivationskip", "n"], `${volume.group}/${origin}`);

export const extend = (scope: Scope, volume: string, extents: number): Command =>
  change(scope, "lvextend", "--extents", String(extents), volume);
export const remove = (scope: Scope, volume: string): Command => change(scope, "lvremove", "--yes", volume);
export const activate = (scope: Scope, volume: string): Command =>
  change(scope, "lvchange", "--activate", "y", "--ignoreactivationskip", volume);
export const deactivate = (scope: Scope, volume: string): Command =>
  change(scope, "lvchange", "--activate", "n", volume);
export const addTag = (scope: Scope, volume: string, tag: string): Command =>
  change(scope, "lvchange", "--addtag", tag, volume);
export const deleteTag = (scope: Scope, volume: string, tag: string): Command =>
  change(scope, "lvchange", "--deltag", tag, volume);

const tool = (argv: Command["argv"], timeoutMs = CHANGE_TIMEOUT_MS, stdin?: string): Command => ({
  kind: "run",
  argv,
  mutates: true,
  timeoutMs,
  ...(stdin === undefined ? {} : { stdin }),
});

/** Refuses a device that is mounted or held by the kernel. */
export const wipeSignatures = (device: string): Command => tool(["wipefs", "--all", device]);

export function makeFileSystem(type: "ext4" | "xfs", label: string | undefined, device: string): Command {
  const labelArgs = label === undefined ? [] : ["-L", label];
  // Forced: only ever on a volume that nobody was given yet, perhaps with half a file system from before a crash.
  return type === "ext4"
    ? tool(["mkfs.ext4", "-q", "-F", ...labelArgs, device], BULK_TIMEOUT_MS)
    : tool(["mkfs.xfs", "-q", "-f", ...labelArgs, device], BULK_TIMEOUT_MS);
}

/** ext4: mounted or not (then checked before). */
export const growExt4 = (device: string): Command => tool(["resize2fs", device], BULK_TIMEOUT_MS);
export const checkExt4 = (device: string): Command => tool(["e2fsck", "-f", "-p", device], BULK_TIMEOUT_MS);
/** xfs grows only while mounted. */
export const growXfs = (mountPoint: string): Command => tool(["xfs_growfs", mountPoint], BULK_TIMEOUT_MS);

/** Copies a device or image whole and makes it durable; blocks of zeros are left as they are on a `sparse` target. */
export const copyDevice = (from: string, to: string, options: { readonly sparse: boolean }): Command =>
  tool(
    [
      "dd",
      `if=${from}`,
      `of=${to}`,
      "bs=4M",
      "iflag=fullblock",
      `conv=${options.sparse ? "notrunc,fsync,sparse" : "notrunc,fsync"}`,
      "status=none",
    ],
    BULK_TIMEOUT_MS,
  );

/** Gives all blocks of a thin volume back, so that it reads as zeros again. */
export const discard = (device: string): Command => tool(["blkdiscard", device]);

/** Fetches to a file, from the start: a file that changed at its source must not be mixed of two. */
export const fetchImage = (url: string, path: string): Command =>
  tool(
    [
      "curl",
      "--fail",
      "--silent",
      "--show-error",
      "--location",
      "--retry",
      "3",
      "--create-dirs",
      "--output",
      path,
      url,
    ],
    BULK_TIMEOUT_MS,
  );
export const checkSha256 = (path: string, sha256: string): Command =>
  tool(["sha256sum", "--check", "--status", "-"], BULK_TIMEOUT_MS, `${sha256}  ${path}\n`);
export const removeFile = (path: string): Command => tool(["rm", "-f", path]);
