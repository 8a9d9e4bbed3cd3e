import { OperatorError } from "../../machinery/errors.ts";
import type { Executor } from "../command/types.ts";

/** A block device that could hold data: a disk, a partition, an md or multipath device; never an LV or a DRBD device. */
export interface BlockDevice {
  readonly path: string;
  /** Name under /dev/disk/by-id; absent when udev made none. */
  readonly byId: string | undefined;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  readonly sizeBytes: number;
  readonly rotational: boolean;
  /** `undefined`: the kernel does not say. */
  readonly volatileCache: boolean | undefined;
  /** Signature found on it (`LVM2_member`, `ext4`), `partitions`, or empty. */
  readonly holds: string;
}

export class HostParseError extends OperatorError {
  readonly reason = "HostUnreadable";
}

const LSBLK_COLUMNS = "PATH,KNAME,TYPE,SIZE,MODEL,SERIAL,ROTA,FSTYPE,PTTYPE,MOUNTPOINT";

/** Kinds of lsblk that are an administrator's to give away; the rest is made from them. */
const OFFERED = new Set(["disk", "part", "raid0", "raid1", "raid10", "raid5", "raid6", "mpath"]);

/** Kernel names that are ours or the kernel's own, although lsblk calls them disks. */
const NEVER_OFFERED = /^(drbd|nbd|zram|ram|loop|sr|fd|dm-)/;

interface LsblkNode {
  readonly path: string;
  readonly kname: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly serial: string | null;
  readonly rota: boolean;
  readonly fstype: string | null;
  readonly pttype: string | null;
  readonly mountpoint: string | null;
  readonly children?: readonly LsblkNode[];
}

/** Parses `lsblk --json --bytes --output …` (util-linux 2.38). Throws HostParseError for anything else. */
export function parseLsblk(stdout: string): readonly Omit<BlockDevice, "byId" | "volatileCache">[] {
  const found: Omit<BlockDevice, "byId" | "volatileCache">[] = [];
  const visit = (node: LsblkNode) => {
    if (!OFFERED.has(node.type) || NEVER_OFFERED.test(node.kname) || node.size === 0) return;
    found.push({
      path: node.path,
      model: node.model?.trim() || undefined,
      serial: node.serial?.trim() || undefined,
      sizeBytes: node.size,
      rotational: node.rota,
      holds: holdings(node),
    });
    for (const child of node.children ?? []) visit(child);
  };
  for (const node of lsblkNodes(stdout)) visit(node);
  return found;
}

function holdings(node: LsblkNode): string {
  if (node.fstype) return node.fstype;
  if (node.children?.some((child) => child.type === "part") || node.pttype) return "partitions";
  return node.mountpoint ? "mounted" : "";
}

function lsblkNodes(stdout: string): readonly LsblkNode[] {
  let parsed: { blockdevices?: readonly LsblkNode[] };
  try {
    parsed = JSON.parse(stdout);
  } catch (cause) {
    throw new HostParseError("lsblk did not print JSON", { cause });
  }
  if (!Array.isArray(parsed.blockdevices)) throw new HostParseError("lsblk printed no blockdevices");
  for (const node of parsed.blockdevices)
    if (typeof node.path !== "string" || typeof node.size !== "number")
      throw new HostParseError(`lsblk: a device without path or size: ${JSON.stringify(node)}`);
  return parsed.blockdevices;
}

/** Link names that say what a disk is, best first; `wwn-` and `nvme-eui.` mean nothing to a person. */
const LINK_RANK = [/^(ata|scsi|nvme|virtio|usb|mmc)-(?!eui\.)/, /^md-name-/, /^wwn-/, /./];

/** Parses `find /dev/disk/by-id -type l -printf '%f %l\n'`: kernel name -> the best link name. */
export function parseIdLinks(stdout: string): ReadonlyMap<string, string> {
  const best = new Map<string, string>();
  const rank = (name: string) => LINK_RANK.findIndex((pattern) => pattern.test(name));
  for (const line of stdout.split("\n")) {
    const [name, target] = line.split(" ");
    if (!name || !target) continue;
    const kernelName = target.slice(target.lastIndexOf("/") + 1);
    const known = best.get(kernelName);
    if (known === undefined || rank(name) < rank(known) || (rank(name) === rank(known) && name < known))
      best.set(kernelName, name);
  }
  return best;
}

/** All devices of the machine that could hold data. Throws when the machine cannot be read; never "none" then. */
export async function observeDevices(exec: Executor, signal: AbortSignal): Promise<readonly BlockDevice[]> {
  const lsblk = await exec.run(
    { kind: "run", argv: ["lsblk", "--json", "--bytes", "--output", LSBLK_COLUMNS], mutates: false },
    signal,
  );
  const links = await exec.run(
    { kind: "run", argv: ["find", "/dev/disk", "-path", "*/by-id/*", "-printf", "%f %l\\n"], mutates: false },
    signal,
  );
  const idLinks = parseIdLinks(links.stdout);
  return Promise.all(
    parseLsblk(lsblk.stdout).map(async (device) => {
      const kernelName = device.path.slice(device.path.lastIndexOf("/") + 1);
      const cache = await exec.read(`/sys/class/block/${kernelName}/queue/write_cache`, signal);
      const link = idLinks.get(kernelName);
      return {
        ...device,
        byId: link === undefined ? undefined : `/dev/disk/by-id/${link}`,
        volatileCache: cache === undefined ? undefined : cache.trim() === "write back",
      };
    }),
  );
}
