import { spawnSync } from "node:child_process";
import type { Image } from "./image.ts";
import type { Nic } from "./network.ts";

export type Accelerator = "kvm" | "tcg";

/** One virtual disk: a raw sparse file and the serial that makes its name under /dev/disk/by-id. */
export interface Disk {
  /** `system`, `disk1`, …: its QEMU device and block node are called so. */
  readonly id: string;
  readonly path: string;
  /** At most 20 characters: virtio's limit. */
  readonly serial: string;
}

export interface Machine {
  readonly image: Image;
  readonly accelerator: Accelerator;
  readonly memoryMiB: number;
  /** 0 for the template, which waits for its identity; 1 and up for the machines. */
  readonly id: number;
  readonly name: string;
  readonly nics: readonly Nic[];
  readonly disks: readonly Disk[];
  /** A file on a tmpfs: `shared` writes it (the template), otherwise it is copied on write (a clone). */
  readonly ram: { readonly path: string; readonly shared: boolean };
  readonly sockets: { readonly qmp: string; readonly agent: string; readonly console: string };
  readonly consoleLog: string;
  /** What the machine's programs write to /dev/vport0p2 is appended here before their write returns. */
  readonly recordLog: string;
}

export const QEMU = "qemu-system-x86_64";

/**
 * nokaslr, no_timer_check, cryptomgr.notests, mitigations=off: seconds of emulated boot. net.ifnames=0: udevd would rename
 * eth0 under the init's feet.
 */
const KERNEL_COMMAND_LINE =
  "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check cryptomgr.notests " +
  "random.trust_cpu=on audit=0 apparmor=0 net.ifnames=0";

/**
 * The whole argv. A clone must have exactly its template's devices at the same addresses, and the same -kernel, -initrd and
 * -append: the guest has cached the keys of the firmware's files.
 */
export function qemuArgv(machine: Machine): string[] {
  const { image, sockets } = machine;
  const groups: readonly (readonly string[])[] = [
    [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-name", machine.name],
    ["-machine", "pc,hpet=off,smm=off,vmport=off,i8042=off,memory-backend=ram"],
    image.xen === undefined ? acceleratorArgv(machine.accelerator) : XEN_PROCESSOR,
    ["-smp", "1", "-m", `${machine.memoryMiB}`],
    ["-object", `memory-backend-file,id=ram,size=${machine.memoryMiB}M,${ramFile(machine.ram)}`],
    // Without it the clones' random number generators, and so their UUIDs, would be equal.
    ["-device", "vmgenid,guid=auto"],
    kernelArgv(image),
    ["-fw_cfg", `name=opt/lab/id,string=${machine.id}`, "-fw_cfg", `name=opt/lab/name,string=${machine.name}`],
    ["-qmp", `unix:${sockets.qmp},server=on,wait=off`],
    [
      "-chardev",
      `socket,id=console,path=${sockets.console},server=on,wait=off,logfile=${machine.consoleLog},logappend=on`,
    ],
    ["-serial", "chardev:console", "-device", "virtio-serial-pci,id=serial,addr=0x2"],
    ["-chardev", `socket,id=agent,path=${sockets.agent},server=on,wait=off`],
    ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"],
    ["-chardev", `file,id=record,path=${machine.recordLog},append=on`],
    ["-device", "virtserialport,chardev=record,name=dev.ferrite.lab.record"],
    ...machine.nics.map((nic, i) => ["-netdev", nic.netdev, "-device", card(nic, i)]),
    ["-blockdev", JSON.stringify({ ...blockNode("root", image.root), "read-only": true })],
    ["-device", "virtio-blk-pci,id=root,drive=root,serial=root,addr=0x8"],
    ...machine.disks.map((disk) => ["-blockdev", JSON.stringify(blockNode(disk.id, disk.path))]),
    ...machine.disks.map((disk, i) => ["-device", JSON.stringify(diskDevice(disk, i))]),
  ];
  return groups.flat();
}

/**
 * Of the machine's memory; Xen gives the rest to guests. Given, so that starting a guest never takes it from the first
 * domain.
 */
const DOM0_MIB = 512;

/** `max` lets the first domain die at its first interrupt's return (SMAP), and guests at RDTSCP, as QEMU 7.2 emulates them. */
const XEN_PROCESSOR: readonly string[] = [
  "-accel",
  "tcg,thread=multi,tb-size=256",
  "-cpu",
  "qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt",
];

/** Xen is a multiboot kernel: what `-initrd` names are its modules, the first domain's kernel with arguments, and initramfs. */
function kernelArgv({ kernel, initramfs, xen }: Image): readonly string[] {
  if (xen === undefined) return ["-kernel", kernel, "-initrd", initramfs, "-append", KERNEL_COMMAND_LINE];
  const commandLine = KERNEL_COMMAND_LINE.replace("ttyS0", "hvc0");
  const memory = `dom0_mem=${DOM0_MIB}M,max:${DOM0_MIB}M`;
  const xenLine = `console=com1 com1=115200,8n1 ${memory} dom0_max_vcpus=1 guest_loglvl=all`;
  return ["-kernel", xen, "-initrd", `${kernel} ${commandLine},${initramfs}`, "-append", xenLine];
}

function ramFile({ path, shared }: Machine["ram"]): string {
  return `mem-path=${path},share=${shared ? "on" : "off"}`;
}

function card({ id, mac }: Nic, index: number): string {
  // romfile=: else QEMU loads its network boot program for every card.
  // event_idx off: under load a lost wake-up of its bookkeeping once left a transmit queue stuck for good.
  return `virtio-net-pci,id=nic${index},event_idx=off,netdev=${id},addr=0x${(3 + index).toString(16)},romfile=,mac=${mac}`;
}

/** `no-flush`: the host's page cache outlives a killed QEMU; a test that needs lost caches needs more than this lab. */
export function blockNode(nodeName: string, path: string): object {
  return {
    driver: "raw",
    "node-name": nodeName,
    discard: "unmap",
    cache: { direct: false, "no-flush": true },
    file: { driver: "file", filename: path, discard: "unmap", cache: { direct: false, "no-flush": true } },
  };
}

export function diskDevice(disk: Disk, index: number): object {
  return {
    driver: "virtio-blk-pci",
    id: disk.id,
    drive: disk.id,
    serial: disk.serial,
    addr: `0x${(9 + index).toString(16)}`,
  };
}

function acceleratorArgv(accelerator: Accelerator): string[] {
  if (accelerator === "kvm") return ["-accel", "kvm", "-cpu", "host"];
  // Without tb-size the cache of translated code grows to 1 GiB for each machine.
  return ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"];
}

/** Offered is not enough (nested, filtered, half broken): KVM counts when the stock kernel reaches its first process. */
export function probeAccelerator(image: Image): Accelerator {
  const argv = [
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "pc", "-m", "256"],
    ["-accel", "kvm", "-cpu", "host", "-serial", "stdio"],
    ["-kernel", image.kernel, "-initrd", image.initramfs, "-append", `${KERNEL_COMMAND_LINE} lab.probe`],
  ].flat();
  const { stdout } = spawnSync(QEMU, argv, { timeout: 10_000, killSignal: "SIGKILL", encoding: "utf8" });
  return stdout?.includes("LAB-PROBE") ? "kvm" : "tcg";
}
