import type { Mirror } from "../../crds/generated/mirror.ts";
import type { MirrorReplica, ReplicaFileSystem } from "../../crds/generated/mirror-replica.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { Executor } from "../../executors/command/types.ts";
import * as drbd from "../../executors/drbd/commands.ts";
import type { ResourceState } from "../../executors/drbd/state.ts";
import type { Step } from "../../executors/driver.ts";
import * as lvm from "../../executors/lvm/commands.ts";
import { parseMounts } from "../../executors/lvm/logical-volume.ts";

/** What is known of the file system, and what it takes to go on. */
export type FileSystemPass =
  | { readonly kind: "as it is"; readonly state: ReplicaFileSystem | undefined }
  /** To be written to the status before anything else is done. */
  | { readonly kind: "note"; readonly state: ReplicaFileSystem }
  | { readonly kind: "steps"; readonly steps: readonly Step[]; readonly done: ReplicaFileSystem }
  | { readonly kind: "blocked"; readonly reason: string; readonly message: string };

/** What this process has done; the object that a pass begins with may be older. */
export class FileSystems {
  readonly #made = new Map<string, ReplicaFileSystem>();

  /** What is known, from either side; the latest counts. */
  known(name: string, replica: MirrorReplica, mirror: Mirror | undefined): ReplicaFileSystem | undefined {
    const all = [this.#made.get(name), replica.status?.fileSystem, mirror?.status?.fileSystem];
    return all.find((each) => each?.state === "Made") ?? all.find((each) => each !== undefined);
  }

  done(name: string, state: ReplicaFileSystem): void {
    this.#made.set(name, state);
  }
}

/**
 * Makes the file system on an empty mirrored device, on the primary and once, and grows it with the device while it is mounted
 * here. Who else has the device open cannot be seen, so nothing else is ever written to it.
 */
export async function fileSystemPass(
  replica: MirrorReplica,
  known: ReplicaFileSystem | undefined,
  kernel: ResourceState,
  exec: Executor,
  signal: AbortSignal,
): Promise<FileSystemPass> {
  const { fileSystem } = replica.spec;
  if (fileSystem === undefined || kernel.device === undefined) return { kind: "as it is", state: known };
  const { minor, sizeBytes: deviceBytes } = kernel.device;
  const device = `/dev/drbd${minor}`;
  const made: ReplicaFileSystem = { state: "Made", deviceBytes };
  if (known?.state === "Made") return growth(known, made, { device, type: fileSystem.type }, exec, signal);
  if (known?.state !== "Making") {
    const holds = await signatureOf(device, exec, signal);
    // As after a restore of the objects: it is there, and whoever made it was asked for the same.
    if (holds === fileSystem.type) return { kind: "note", state: { state: "Made", deviceBytes: 0 } };
    if (holds !== "")
      return {
        kind: "blocked",
        reason: "DeviceHoldsData",
        message: `${device} holds ${holds}: no ${fileSystem.type} is made over it; make a mirror without spec.fileSystem for it`,
      };
    return { kind: "note", state: { state: "Making" } };
  }
  const effect = lvm.makeFileSystem(fileSystem.type, fileSystem.label, device);
  return { kind: "steps", steps: [{ why: `make ${fileSystem.type} on ${device}`, effect }], done: made };
}

const NOTHING_FOUND = 2;

async function signatureOf(device: string, exec: Executor, signal: AbortSignal): Promise<string> {
  try {
    return (await exec.run(drbd.probeSignature(device), signal)).stdout.trim() || "data";
  } catch (error) {
    if (error instanceof CommandError && error.output.exitCode === NOTHING_FOUND) return "";
    throw error;
  }
}

async function growth(
  known: ReplicaFileSystem,
  made: ReplicaFileSystem,
  { device, type }: { readonly device: string; readonly type: "ext4" | "xfs" },
  exec: Executor,
  signal: AbortSignal,
): Promise<FileSystemPass> {
  if ((made.deviceBytes ?? 0) <= (known.deviceBytes ?? 0)) return { kind: "as it is", state: known };
  const mountPoint = parseMounts((await exec.read("/proc/self/mounts", signal)) ?? "", [device]);
  if (mountPoint === undefined) return { kind: "as it is", state: known };
  const effect = type === "xfs" ? lvm.growXfs(mountPoint) : lvm.growExt4(device);
  return { kind: "steps", steps: [{ why: `grow ${type} on ${device}`, effect }], done: made };
}
