import { OperatorError } from "../../machinery/errors.ts";

/** A guest as a hypervisor is to start it: everything looked up, devices and files as paths on this machine. */
export interface GuestSpec {
  /** UID of its VirtualMachine, a UUID: the guest's own UUID too, by which it is found again. */
  readonly uid: string;
  /** Unique on the machine. */
  readonly name: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly boot: GuestBoot;
  readonly disks: readonly GuestDisk[];
  readonly networks: readonly GuestNetwork[];
  /** For Xen alone. */
  readonly xen?: GuestXen;
}

export interface GuestXen {
  readonly type: "PV" | "PVH" | "HVM";
}

export type GuestBoot =
  | {
      readonly kind: "kernel";
      readonly kernel: string;
      readonly initrd: string | undefined;
      readonly cmdline: string | undefined;
    }
  | { readonly kind: "bootloader"; readonly bootloader: string }
  | { readonly kind: "firmware"; readonly firmware: "BIOS" | "UEFI"; readonly cdrom: string | undefined };

export interface GuestDisk {
  /** Name in the guest: `vda`, `sdb`. */
  readonly target: string;
  readonly device: string;
  readonly readOnly: boolean;
}

export interface GuestNetwork {
  readonly bridge: string;
  readonly mac: string;
}

/** A guest that is there on this machine, as the kernel and the hypervisor show it now. */
export interface Instance {
  /** Its UUID; `undefined`: a stranger that has none. */
  readonly uid: string | undefined;
  readonly name: string | undefined;
  /** Tells it from every other that ever was on this machine; for logs and for acting on this one only. */
  readonly id: string;
}

/**
 * `prepared`: made, and has not run yet. `ioError`: stopped because a disk failed it; going on tries again. `dying`: ended,
 * but the kernel still holds its devices. `crashed`: stopped for good in a state of its own. `unknown`: it is there and
 * does not answer.
 */
export type GuestState =
  | "prepared"
  | "running"
  | "paused"
  | "ioError"
  | "shuttingDown"
  | "crashed"
  | "dying"
  | "unknown";

export interface Inspection {
  readonly state: GuestState;
  /** Why, when there is more to say: `io-error`. */
  readonly detail: string | undefined;
  /** What it has now, after ballooning. */
  readonly memoryBytes: number | undefined;
  /** `false`: the processor is emulated in software. */
  readonly accelerated: boolean | undefined;
}

/**
 * One kind of hypervisor on this machine. `list` and `inspect` only read. Every act names the instance that was seen and
 * does nothing to another one; each may be repeated, and a crash in the middle leaves a state that `inspect` tells.
 */
export interface Hypervisor {
  /** All guests of this kind, strangers too. Throws when that cannot be told; never "none" then. */
  list(signal: AbortSignal): Promise<readonly Instance[]>;
  inspect(instance: Instance, signal: AbortSignal): Promise<Inspection>;
  /** Makes the guest, paused before its first instruction. Throws StartError; a guest that is there is not made again. */
  prepare(spec: GuestSpec, signal: AbortSignal): Promise<void>;
  /** Connects a prepared guest's network cards, and lets it run; also one that is paused. */
  resume(instance: Instance, spec: GuestSpec, signal: AbortSignal): Promise<void>;
  /** Presses the power button: whether the guest heeds it is its own business. */
  askToShutDown(instance: Instance, signal: AbortSignal): Promise<void>;
  /** Switches it off. The guest may be there for a moment longer: see `list`. */
  destroy(instance: Instance, signal: AbortSignal): Promise<void>;
  /** Asks the guest to give memory back, or lets it have more again, at most what it was started with. */
  balloon(instance: Instance, memoryBytes: number, signal: AbortSignal): Promise<void>;
  /** Says whenever something happened to it; ends when it has ended, or when nothing is to be heard of it. */
  follow(instance: Instance, signal: AbortSignal): AsyncIterable<string>;
  /** Of the machine's memory, what a guest could be given now. */
  freeMemory(signal: AbortSignal): Promise<number>;
  /** What a person types on this machine to be at its console. */
  consoleCommand(uid: string, name: string): string;
  /** The last lines that the guest wrote on its console; empty when none are kept. */
  consoleTail(uid: string, signal: AbortSignal): Promise<string>;
  /** Removes what is kept of a guest that is gone for good. */
  forget(uid: string, signal: AbortSignal): Promise<void>;
}

/** The hypervisor refused; its own words are in the message. */
export class StartError extends OperatorError {
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The guest's monitor did not answer, or not as it should. */
export class HypervisorError extends OperatorError {
  readonly reason = "HypervisorError";
}
