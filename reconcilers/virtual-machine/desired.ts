import { createHash } from "node:crypto";
import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";
import type { GuestBoot, GuestDisk, GuestSpec } from "../../executors/vm/guest.ts";
import { parseBytes } from "../../machinery/quantity.ts";
import { type DeviceSources, type Missing, sourceDevice } from "../block-source.ts";

/** The guest's name for the hypervisor. */
export const guestName = ({ metadata, spec }: VirtualMachine): string =>
  spec.adopt?.domainName ?? onDiskName(metadata.namespace, metadata.name);

/** QEMU's and Xen's own prefixes for addresses that are made up. */
const MAC_PREFIX = { KVM: [0x52, 0x54, 0x00], Xen: [0x00, 0x16, 0x3e] } as const;

/** The same at every start and on every host. */
export function macAddress(uid: string, index: number, hypervisor: "KVM" | "Xen"): string {
  const own = createHash("sha256").update(`${uid}/${index}`).digest().subarray(0, 3);
  return [...MAC_PREFIX[hypervisor], ...own].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** What the hypervisor is to run, with the disks' devices on this host. */
export function desiredGuest(vm: VirtualMachine, disks: readonly GuestDisk[]): GuestSpec {
  const { uid = "" } = vm.metadata;
  const { cpus, memory, networks = [], hypervisor, xen = { type: "PV" } } = vm.spec;
  return {
    uid,
    name: guestName(vm),
    cpus,
    memoryBytes: parseBytes(String(memory.size)),
    boot: bootOf(vm),
    disks,
    networks: networks.map(({ bridge, mac }, index) => ({ bridge, mac: mac ?? macAddress(uid, index, hypervisor) })),
    ...(hypervisor === "Xen" ? { xen } : {}),
  };
}

function bootOf({ spec }: VirtualMachine): GuestBoot {
  const { kernel, initrd, cmdline, bootloader, firmware, cdrom } = spec.boot;
  if (kernel !== undefined) return { kind: "kernel", kernel, initrd, cmdline };
  if (bootloader !== undefined) return { kind: "bootloader", bootloader };
  return { kind: "firmware", firmware: firmware ?? "BIOS", cdrom };
}

/** The devices of all disks on this host, or what the first of them lacks. */
export function guestDisks(vm: VirtualMachine, from: DeviceSources): readonly GuestDisk[] | Missing {
  const found: GuestDisk[] = [];
  for (const { target, source, readOnly } of vm.spec.disks ?? []) {
    const device = sourceDevice(vm.metadata.namespace, source, from);
    if (!("device" in device)) return { reason: device.reason, message: `disk ${target}: ${device.message}` };
    found.push({ target, device: device.device, readOnly });
  }
  return found;
}
