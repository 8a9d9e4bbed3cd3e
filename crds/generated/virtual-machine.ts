// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { LabelSelector, LocalRef, NamespacedMeta, Quantity } from "./shared.ts";

/** A guest of Xen or QEMU/KVM. It runs on one host at a time, and never twice. */
export type VirtualMachine = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "VirtualMachine";
  readonly metadata: NamespacedMeta;
  readonly spec: VirtualMachineSpec;
  readonly status?: VirtualMachineStatus;
};

/** What is wanted. */
export interface VirtualMachineSpec {
  /** Always keeps it running; Halted shuts it down. */
  readonly runStrategy: "Always" | "Halted";
  /** What runs it. */
  readonly hypervisor: "Xen" | "KVM";
  /** Settings for Xen. */
  readonly xen?: XenSettings;
  /** Processors. */
  readonly cpus: number;
  /** Memory. */
  readonly memory: GuestMemory;
  /** How the guest starts: a kernel, a boot loader, or firmware (with or without a CD-ROM). */
  readonly boot: BootSource;
  /** The guest's disks, in order. */
  readonly disks?: readonly VirtualDisk[];
  /** The guest's network cards, in order. */
  readonly networks?: readonly VirtualNetwork[];
  /** Where the guest may run. */
  readonly placement?: VirtualMachinePlacement;
  /** What happens when its host is lost. */
  readonly availability: Availability;
  /** How long it may take to shut down before it is switched off. A duration such as 90s or 1h30m. */
  readonly shutdownDeadline: string;
  /** Take over a guest that runs already. */
  readonly adopt?: GuestAdoption;
}

/** Take over a guest that runs already. */
export interface GuestAdoption {
  /** The hypervisor's name for it; the name that would be chosen when absent. */
  readonly domainName?: string;
}

/** What happens when its host is lost. */
export interface Availability {
  /** Start it on another host that has its data. */
  readonly restartElsewhere: boolean;
  /** Higher starts first, and keeps its memory when there is not enough for all. */
  readonly priority: number;
  /** Whether it goes back by live migration when its preferred host is well again. */
  readonly failback: "Automatic" | "Manual";
}

/** Where the guest may run. */
export interface VirtualMachinePlacement {
  /** Only here. */
  readonly hostName?: string;
  /** Here, when it can. */
  readonly preferredHost?: string;
  /** Only on hosts with these labels. */
  readonly hostSelector?: LabelSelector;
  /** Not on a host where a guest with these labels runs. */
  readonly antiAffinity?: LabelSelector;
}

/** One network card. */
export interface VirtualNetwork {
  /** Bridge on the host that it is connected to. */
  readonly bridge: string;
  /** Hardware address; derived from the guest's UID when absent, and so always the same. */
  readonly mac?: string;
}

/** One disk. */
export interface VirtualDisk {
  /** Name in the guest, such as xvda, sda1 or vda. */
  readonly target: string;
  /** Where its data is. */
  readonly source: BlockSource;
  /** Refuse writes. */
  readonly readOnly: boolean;
}

/** Where its data is. */
export interface BlockSource {
  /** A Volume: a logical volume on the host that holds it. */
  readonly volumeRef?: LocalRef;
  /** A Mirror: the replicated device, on the host that is its primary. */
  readonly mirrorRef?: LocalRef;
  /** An Import: a device that another host exports. */
  readonly importRef?: LocalRef;
}

/** How the guest starts: a kernel, a boot loader, or firmware (with or without a CD-ROM). */
export interface BootSource {
  /** Path of a kernel on the host. Below /boot or /var/lib/ferrite/images. */
  readonly kernel?: string;
  /** Path of an initial RAM disk on the host; with kernel. Below /boot or /var/lib/ferrite/images. */
  readonly initrd?: string;
  /** Kernel command line; with kernel. */
  readonly cmdline?: string;
  /** Xen only: one of Xen's own programs that read the kernel from the guest's first disk, such as pygrub. */
  readonly bootloader?: string;
  /** Firmware that boots from the first disk. */
  readonly firmware?: "BIOS" | "UEFI";
  /** Path of an ISO image on the host, tried first. Below /boot or /var/lib/ferrite/images. */
  readonly cdrom?: string;
}

/** Memory. */
export interface GuestMemory {
  /** What it gets. A quantity such as 500Mi or 1.5Ti. */
  readonly size: Quantity;
  /**
   * What it can be squeezed to when a lost host's guests must find room; size when absent. A quantity such as
   * 500Mi or 1.5Ti.
   */
  readonly min?: Quantity;
}

/** Settings for Xen. */
export interface XenSettings {
  /** Kind of virtualisation. */
  readonly type: "PV" | "PVH" | "HVM";
}

/** What is there. */
export interface VirtualMachineStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Scheduled: a host was chosen. DisksReady: all its disks are there on that host.
   * Migratable: it can be migrated live now. Ready: it runs as asked, or is halted as asked.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** Pending, Starting, Running, Paused, Migrating, Stopping, Halted, Crashed or Unknown. */
  readonly phase?: string;
  /** Which host may run it; changed by compare-and-set only. */
  readonly run?: RunRecord;
  /** The host chosen to run it. */
  readonly hostName?: string;
  /** Memory it has now. A quantity. */
  readonly memory?: string;
  /** How to reach its console. */
  readonly console?: string;
}

/** Which host may run it; changed by compare-and-set only. */
export interface RunRecord {
  /** Grows by exactly 1 with every change. */
  readonly epoch: number;
  /** The host; absent when none may. */
  readonly hostName?: string;
}

export const VIRTUAL_MACHINES: ResourceType<VirtualMachine> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "VirtualMachine",
  plural: "virtualmachines",
  namespaced: true,
};
