import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import type { Executor } from "../../executors/command/types.ts";
import type { Hypervisor, Inspection, Instance } from "../../executors/vm/guest.ts";
import type { Request } from "../../machinery/result.ts";
import type { DeviceSources } from "../block-source.ts";
import type { ObjectAccess } from "../object-access.ts";
import type { Act } from "./decide.ts";

/** The record of which host may run a guest, where it is kept. */
export interface RunStore {
  /** The object as the store has it now, by quorum; `undefined`: it is gone. Throws when the API does not answer. */
  read(request: Request, signal: AbortSignal): Promise<VirtualMachine | undefined>;
  /**
   * Names `hostName`, or nobody, if the object still is as `vm` was read; the object as it is then. `undefined`: somebody
   * was faster. When it throws it is unknown what the record says.
   */
  write(vm: VirtualMachine, hostName: string | undefined, signal: AbortSignal): Promise<VirtualMachine | undefined>;
}

export interface VirtualMachineDeps extends DeviceSources {
  readonly exec: Executor;
  readonly vms: ObjectAccess<VirtualMachine>;
  readonly runs: RunStore;
  /** What this machine can run guests with. */
  readonly hypervisors: Partial<Readonly<Record<VirtualMachine["spec"]["hypervisor"], Hypervisor>>>;
}

/** A guest as it was seen. */
export interface Seen {
  readonly instance: Instance;
  readonly inspection: Inspection;
}

/** One act, and what it is done to. */
export interface Doing {
  readonly act: Act;
  readonly vm: VirtualMachine;
  readonly hypervisor: Hypervisor;
  readonly seen: Seen | undefined;
}
