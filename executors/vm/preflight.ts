import type { Executor } from "../command/types.ts";
import { type GuestSpec, type Instance, StartError } from "./guest.ts";
import { requireBridges } from "./network.ts";

const MIB = 2 ** 20;

/** What a hypervisor would only find out half way, or not at all: throws StartError with what to do about it. */
export async function preflight(
  spec: GuestSpec,
  { instances, freeBytes }: { readonly instances: readonly Instance[]; readonly freeBytes: number },
  exec: Executor,
  signal: AbortSignal,
): Promise<void> {
  const namesake = instances.find(({ name, uid }) => name === spec.name && uid !== spec.uid);
  if (namesake !== undefined)
    throw new StartError(
      "NameTaken",
      `another guest named ${spec.name} runs on this host (${namesake.uid ?? namesake.id}): end it, or take it over by spec.adopt`,
    );
  await requireFiles(spec, exec, signal);
  await requireBridges(
    spec.networks.map(({ bridge }) => bridge),
    exec,
    signal,
  );
  requireMemory(spec.memoryBytes, freeBytes);
  for (const { target, device } of spec.disks) await requireUnused(target, device, exec, signal);
}

async function requireFiles({ boot }: GuestSpec, exec: Executor, signal: AbortSignal): Promise<void> {
  const files: readonly [field: string, path: string | undefined][] =
    boot.kind === "kernel"
      ? [
          ["boot.kernel", boot.kernel],
          ["boot.initrd", boot.initrd],
        ]
      : [["boot.cdrom", boot.kind === "firmware" ? boot.cdrom : undefined]];
  for (const [field, path] of files) {
    if (path === undefined) continue;
    const { stdout } = await exec.run(
      { kind: "run", argv: ["sh", "-c", 'test -f "$1" && echo file || true', "sh", path], mutates: false },
      signal,
    );
    if (stdout.trim() !== "file")
      throw new StartError("BootFileMissing", `spec.${field}: there is no file ${path} on this host`);
  }
}

function requireMemory(bytes: number, freeBytes: number): void {
  if (freeBytes >= bytes) return;
  throw new StartError(
    "InsufficientMemory",
    `spec.memory.size: ${Math.ceil(bytes / MIB)} MiB are asked for, ${Math.floor(freeBytes / MIB)} MiB are free on this host`,
  );
}

interface LsblkNode {
  readonly path?: string;
  readonly type?: string;
  readonly mountpoint?: string | null;
  readonly children?: readonly LsblkNode[];
}

/** A device that is mounted here, or that something is made of, would be written through two caches. */
async function requireUnused(target: string, device: string, exec: Executor, signal: AbortSignal): Promise<void> {
  const { stdout } = await exec.run(
    { kind: "run", argv: ["lsblk", "--json", "--output", "PATH,TYPE,MOUNTPOINT", device], mutates: false },
    signal,
  );
  const user = userOf((JSON.parse(stdout) as { blockdevices: readonly LsblkNode[] }).blockdevices);
  if (user !== undefined)
    throw new StartError("DiskInUse", `disk ${target}: ${device} is in use on this host: ${user}`);
}

/** Parsed `lsblk --json` (util-linux 2.38): who uses a device. Partitions alone are no use of it. */
export function userOf(nodes: readonly LsblkNode[]): string | undefined {
  for (const { mountpoint, children = [] } of nodes) {
    if (mountpoint) return `it is mounted at ${mountpoint}`;
    const holder = children.find(({ type }) => type !== "part");
    if (holder !== undefined) return `${holder.path} is made of it`;
    const below = userOf(children);
    if (below !== undefined) return below;
  }
  return undefined;
}
