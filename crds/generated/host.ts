// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { ClusterMeta, NamespacedRef, Quantity } from "./shared.ts";

/** A bare-metal machine that runs the Ferrite agent. Its name is the first label of the machine's host name. */
export type Host = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Host";
  readonly metadata: ClusterMeta;
  readonly spec: HostSpec;
  readonly status?: HostStatus;
};

/** What is asked of the machine. */
export interface HostSpec {
  /** Address for management and exports. An IPv4 or IPv6 address. */
  readonly address: string;
  /** Address that mirrors replicate over; the management address when absent. An IPv4 or IPv6 address. */
  readonly replicationAddress?: string;
  /** When true, nothing new is placed here; what is here stays. */
  readonly unschedulable: boolean;
  /**
   * Drain moves guests and primaries away and keeps this machine out of new placements, so that it can be
   * switched off; condition Maintenance says when. It never takes away the last good copy of any data.
   */
  readonly maintenance: "None" | "Drain";
  /**
   * Ways to make sure that this machine is off, tried in this order. Each counts only when it confirms that the
   * machine is dead. Without any, nothing that ran here is started elsewhere before a person attests that the
   * machine is off.
   */
  readonly fencing?: readonly FencingMethod[];
  /** Memory kept for the machine itself, never given to guests. A quantity such as 500Mi or 1.5Ti. */
  readonly memoryReserve: Quantity;
}

/** One way to make sure that the machine is off. */
export interface FencingMethod {
  /** Name of this way, for conditions and Events. */
  readonly name: string;
  /** How long to wait for the confirmation before the next way is tried. A duration such as 90s or 1h30m. */
  readonly deadline: string;
  /** Power off through a baseboard management controller, by IPMI over LAN. */
  readonly ipmi?: IpmiFencing;
  /** Power off through a management controller that speaks Redfish. */
  readonly redfish?: RedfishFencing;
  /** Power off by a program on the machine where the controllers run, such as a driver of a switched socket. */
  readonly command?: CommandFencing;
  /**
   * The machine's own watchdog resets it when its agent cannot reach the API. Confirmed by time, and only when
   * the agent had reported the watchdog armed and no mirror peer is connected to the machine any more.
   */
  readonly watchdog?: WatchdogFencing;
}

/**
 * The machine's own watchdog resets it when its agent cannot reach the API. Confirmed by time, and only when the
 * agent had reported the watchdog armed and no mirror peer is connected to the machine any more.
 */
export interface WatchdogFencing {
  /** Waited beyond the watchdog's own deadline. A duration such as 90s or 1h30m. */
  readonly grace: string;
}

/** Power off by a program on the machine where the controllers run, such as a driver of a switched socket. */
export interface CommandFencing {
  /** Program and arguments. Exit 0 means: the machine is confirmed to be off. */
  readonly argv: readonly string[];
}

/** Power off through a management controller that speaks Redfish. */
export interface RedfishFencing {
  /** URL of the computer system, such as https://192.0.2.7/redfish/v1/Systems/1. */
  readonly url: string;
  /** PEM certificates that the controller's certificate is checked against. */
  readonly caBundle?: string;
  /** Secret with the keys username and password. */
  readonly credentialsRef: NamespacedRef;
}

/** Power off through a baseboard management controller, by IPMI over LAN. */
export interface IpmiFencing {
  /** Address of the management controller. An IPv4 or IPv6 address. */
  readonly address: string;
  /** UDP port. */
  readonly port: number;
  /** Secret with the keys username and password. */
  readonly credentialsRef: NamespacedRef;
}

/** What the agent and the controllers saw. */
export interface HostStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Ready: the agent renews its Lease and the machine can serve. Fenced: the machine is
   * confirmed to be off. Maintenance: drained: it may be switched off. DisksHealthy: no disk reports errors.
   * ToolsPresent: the machine's tools are there, in versions that work.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** Full host name (uname -n), which DRBD matches its configuration by. */
  readonly uname?: string;
  /** Changes with every boot. */
  readonly bootID?: string;
  /** What the machine has. */
  readonly capacity?: HostResources;
  /** What guests may use. */
  readonly allocatable?: HostResources;
  /** Versions of what the machine runs. */
  readonly software?: HostSoftware;
  /** Block devices of the machine that could hold data. */
  readonly devices?: readonly BlockDevice[];
  /**
   * Guests that really run here, seen by the agent; no guest is started elsewhere while a host that might run it
   * has not reported.
   */
  readonly guests?: readonly HostGuest[];
  /** The machine's dead man's switch. */
  readonly selfFence?: SelfFence;
}

/** The machine's dead man's switch. */
export interface SelfFence {
  /** Whether a watchdog will reset the machine when its agent falls silent. */
  readonly armed: boolean;
  /** Seconds from the last renewal of the Lease to the reset. */
  readonly deadlineSeconds?: number;
}

/** One guest. */
export interface HostGuest {
  /** UID of its VirtualMachine, or the hypervisor's own for a stranger. */
  readonly uid: string;
  /** Namespace of its VirtualMachine. */
  readonly namespace?: string;
  /** Name of its VirtualMachine, or the hypervisor's name of a stranger. */
  readonly name?: string;
  /** Running, Paused, ShuttingDown, Crashed or Unknown. */
  readonly state: string;
}

/** One block device. */
export interface BlockDevice {
  /** Kernel name, which may change with the next boot. */
  readonly path: string;
  /** Name under /dev/disk/by-id that stays. */
  readonly byId?: string;
  /** Model. */
  readonly model?: string;
  /** Serial number. */
  readonly serial?: string;
  /** Size. A quantity. */
  readonly size?: string;
  /** Whether it has turning platters. */
  readonly rotational?: boolean;
  /**
   * Whether the disk has a write cache that loses its content without power. Then a machine that went down
   * together with its peer is not trusted alone.
   */
  readonly volatileCache?: boolean;
  /** What SMART says: Passed, Failed, or Unknown. */
  readonly health?: string;
  /** What is on it, such as LVM2_member, ext4, partitions; empty when nothing is. */
  readonly holds?: string;
}

/** Versions of what the machine runs. */
export interface HostSoftware {
  /** Version of the kernel; absent when it is not there. */
  readonly kernel?: string;
  /** Version of the DRBD kernel module; absent when it is not there. */
  readonly drbd?: string;
  /** Version of LVM; absent when it is not there. */
  readonly lvm?: string;
  /** Version of the NBD client; absent when it is not there. */
  readonly nbd?: string;
  /** Version of the Xen hypervisor; absent when it is not there. */
  readonly xen?: string;
  /** Version of QEMU; absent when it is not there. */
  readonly qemu?: string;
  /** Version of the agent; absent when it is not there. */
  readonly agent?: string;
}

/** What the machine has. */
export interface HostResources {
  /** Processors, as threads. */
  readonly cpus?: number;
  /** Memory. A quantity. */
  readonly memory?: string;
}

export const HOSTS: ResourceType<Host> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Host",
  plural: "hosts",
  namespaced: false,
};
