import { createHash } from "node:crypto";
import type { Command } from "../../command/types.ts";
import { type GuestDisk, type GuestSpec, StartError } from "../guest.ts";
import type { Accelerator } from "./accelerator.ts";
import type { GuestFiles } from "./files.ts";

const PROGRAM = "qemu-system-x86_64";
/** Debian's package ovmf: code and an empty variable store in one, which QEMU keeps in memory. */
const UEFI_FIRMWARE = "/usr/share/ovmf/OVMF.fd";
/** Below it no kernel of today starts at all. */
const MIB = 2 ** 20;

/**
 * PCI addresses, so that a disk or card is found at its place whatever else the guest has: eight functions to a slot.
 * Slots 0 and 0x1f are the chipset's.
 */
const SLOT = { balloon: 0x2, cards: 0x3, disks: 0x8, scsi: 0x10 } as const;

const pciAddress = (slot: number, index: number): object => ({
  addr: `0x${(slot + Math.floor(index / 8)).toString(16)}.${index % 8}`,
  multifunction: true,
});

/** Name of the tap device of a guest's card: at most 15 characters, and the same at every start. */
export function tapName(uid: string, index: number): string {
  return `fv${createHash("sha256").update(uid).digest("hex").slice(0, 8)}-${index}`;
}

/**
 * The whole argv of a guest that is made paused. `-cpu max` is the best that the accelerator has. The pid file is locked by QEMU for as long as it lives: a second one for the
 * same guest does not start, whoever starts it.
 */
export function qemuArgv(spec: GuestSpec, files: GuestFiles, accelerator: Accelerator): Command["argv"] {
  const groups: readonly (readonly string[])[] = [
    ["-name", `guest=${spec.name}`, "-uuid", spec.uid],
    ["-nodefaults", "-no-user-config", "-display", "none", "-daemonize", "-pidfile", files.pid, "-S"],
    // Denying spawn or elevateprivileges too would forbid what -daemonize does.
    ["-sandbox", "on,obsolete=deny,resourcecontrol=deny"],
    // Emulation would keep up to 1 GiB of translated code for each guest.
    ["-machine", "q35", "-accel", accelerator === "kvm" ? "kvm" : "tcg,tb-size=128", "-cpu", "max"],
    ["-smp", `${spec.cpus}`, "-m", `${Math.ceil(spec.memoryBytes / MIB)}`],
    ["-qmp", `unix:${files.monitor},server=on,wait=off`, "-qmp", `unix:${files.events},server=on,wait=off`],
    ["-chardev", `socket,id=console,path=${files.console},server=on,wait=off,logfile=${files.consoleLog},logappend=on`],
    ["-serial", "chardev:console"],
    ["-device", json({ driver: "virtio-balloon-pci", id: "balloon", ...pciAddress(SLOT.balloon, 0) })],
    ["-device", json({ driver: "virtio-rng-pci", ...pciAddress(SLOT.balloon, 1) })],
    boot(spec),
    ...spec.disks.flatMap((disk) => diskArgv(disk, spec)),
    ...spec.networks.map(({ mac }, index) => card(spec.uid, mac, index)),
  ];
  return [PROGRAM, ...groups.flat()];
}

const json = (value: object): string => JSON.stringify(value);

function boot({ boot, disks }: GuestSpec): readonly string[] {
  if (boot.kind === "kernel")
    return [
      "-kernel",
      boot.kernel,
      ...(boot.initrd === undefined ? [] : ["-initrd", boot.initrd]),
      ...(boot.cmdline === undefined ? [] : ["-append", boot.cmdline]),
    ];
  if (boot.kind === "bootloader")
    throw new StartError("BootInvalid", "spec.boot.bootloader is Xen's: set boot.kernel or boot.firmware");
  const firmware = boot.firmware === "UEFI" ? ["-bios", UEFI_FIRMWARE] : [];
  if (boot.cdrom === undefined) return firmware;
  if (disks.some(({ target }) => target.startsWith("hd") && portOf(target) === CDROM_PORT))
    throw new StartError("DiskTargetInvalid", `boot.cdrom stands where a disk is asked for: use another name for it`);
  return [
    ...firmware,
    "-blockdev",
    json({ driver: "raw", "node-name": "cdrom", "read-only": true, file: { driver: "file", filename: boot.cdrom } }),
    "-device",
    json({ driver: "ide-cd", drive: "cdrom", bus: `ide.${CDROM_PORT}`, bootindex: 0 }),
  ];
}

/** The last of the chipset's six. */
const CDROM_PORT = 5;

/** `a` is 0, `z` 25, `aa` 26. */
function portOf(target: string): number {
  let port = 0;
  for (const letter of target.replace(/^(vd|sd|hd)/, "")) port = port * 26 + letter.charCodeAt(0) - 96;
  return port - 1;
}

/**
 * Past the machine's page cache, for what it has acknowledged must survive it. A request that fails stops the guest
 * instead of telling it: a device that comes back goes on where it was.
 */
function diskArgv(disk: GuestDisk, { boot, disks }: GuestSpec): readonly (readonly string[])[] {
  const node = `disk-${disk.target}`;
  const cache = { direct: true, "no-flush": false };
  const file = { driver: "host_device", filename: disk.device, aio: "native", locking: "on", cache };
  const blockdev = {
    driver: "raw",
    "node-name": node,
    "read-only": disk.readOnly,
    discard: "unmap",
    cache,
    file: { ...file, "read-only": disk.readOnly, discard: "unmap" },
  };
  const order = boot.kind === "firmware" ? { bootindex: 1 + disks.indexOf(disk) } : {};
  const device = { ...deviceOf(disk), drive: node, ...order, werror: "stop", rerror: "stop" };
  const scsi = disk.target.startsWith("sd") && disks.find(({ target }) => target.startsWith("sd")) === disk;
  return [
    ...(scsi ? [["-device", json({ driver: "virtio-scsi-pci", id: "scsi", ...pciAddress(SLOT.scsi, 0) })]] : []),
    ["-blockdev", json(blockdev)],
    ["-device", json(device)],
  ];
}

/** vd: virtio. sd: SCSI on a virtio controller. hd: the chipset's SATA. */
function deviceOf({ target }: GuestDisk): object {
  const port = portOf(target);
  const id = { serial: target };
  if (/\d$/.test(target))
    throw new StartError(
      "DiskTargetInvalid",
      `disk ${target}: only Xen gives a guest a single partition; name a whole disk, such as ${target.replace(/\d+$/, "")}`,
    );
  if (target.startsWith("vd")) return { driver: "virtio-blk-pci", ...id, ...pciAddress(SLOT.disks, port) };
  if (target.startsWith("sd")) return { driver: "scsi-hd", ...id, bus: "scsi.0", "scsi-id": port };
  if (target.startsWith("hd") && port <= CDROM_PORT) return { driver: "ide-hd", ...id, bus: `ide.${port}` };
  const why = target.startsWith("hd") ? "there are six, hda to hdf" : "xvd is Xen's";
  throw new StartError("DiskTargetInvalid", `disk ${target}: ${why}; use vda, vdb, …`);
}

/** QEMU makes the tap device, which is gone with it; what it is connected to comes before the guest runs. */
function card(uid: string, mac: string, index: number): readonly string[] {
  const netdev = { type: "tap", id: `net${index}`, ifname: tapName(uid, index), script: "no", downscript: "no" };
  const device = { driver: "virtio-net-pci", netdev: netdev.id, mac, romfile: "", ...pciAddress(SLOT.cards, index) };
  return ["-netdev", json(netdev), "-device", json(device)];
}
