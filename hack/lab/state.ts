import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Image } from "./image.ts";
import type { NetworkState } from "./network.ts";
import type { ProcessRecord } from "./process.ts";
import type { Accelerator, Disk } from "./qemu.ts";

/** Two storage hosts and one that imports from them and runs virtual machines. */
export const GUEST_NAMES = ["alpha", "beta", "gamma"] as const;
export type GuestName = (typeof GUEST_NAMES)[number];

export interface DiskState extends Disk {
  /** Its QEMU answers EIO; a power cycle does not mend it. */
  readonly failed: boolean;
}

export interface GuestState {
  /** Absent while the machine is switched off. */
  readonly process?: ProcessRecord;
  /** User mode only: elsewhere the tap knows. */
  readonly linkCut: boolean;
  /** The system disk first, then the data disks. */
  readonly disks: readonly DiskState[];
}

/** What is known of a lab, in `lab.json`: enough to stop it, or to go on with it from another process. */
export interface LabState {
  readonly image: Image;
  readonly accelerator: Accelerator;
  readonly network: NetworkState;
  readonly memoryMiB: number;
  /** Of each data disk, also of one that is put in later. */
  readonly dataDiskBytes: number;
  readonly diesWithItsStarter: boolean;
  /** Seconds of emulated work per second of an idle two-core machine; time-outs are multiplied by it. */
  readonly timeFactor: number;
  readonly relays: readonly ProcessRecord[];
  readonly guests: Readonly<Record<GuestName, GuestState>>;
}

/** Where a lab of that name keeps its things. */
export interface LabPaths {
  /** `.ferrite/lab/NAME`: disks, logs, lab.json. */
  readonly folder: string;
  /** On a tmpfs and short, since a unix socket's path has at most 107 bytes: sockets and the template's memory. */
  readonly runtime: string;
}

export function labPaths(name: string): LabPaths {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) {
    throw new Error(`lab name "${name}": must be lower case letters, digits and dashes, at most 31`);
  }
  const folder = resolve(import.meta.dirname, "../../.ferrite/lab", name);
  const id = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  return { folder, runtime: `/dev/shm/ferrite-lab-${id}` };
}

/** One file for all machines of a lab: the order of its lines is the order in which they were written. */
export const recordPath = ({ folder }: LabPaths): string => join(folder, "record.log");

export function readState({ folder }: LabPaths): LabState {
  try {
    return JSON.parse(readFileSync(join(folder, "lab.json"), "utf8")) as LabState;
  } catch (cause) {
    throw new Error(`no lab in ${folder}: start one with "node hack/lab/main.ts up"`, { cause });
  }
}

export function writeState({ folder }: LabPaths, state: LabState): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "lab.json.part"), `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(join(folder, "lab.json.part"), join(folder, "lab.json"));
}
