import { createHash } from "node:crypto";
import { type GuestBoot, type GuestDisk, type GuestSpec, type GuestXen, StartError } from "../guest.ts";

const MIB = 2 ** 20;
/** Of the ISO image, when there is one. */
const CDROM_TARGET = "hdc";

/**
 * The guest in the syntax of xl.cfg(5). Nobody but the agent starts, ends or makes it anew: whatever becomes of it, Xen
 * preserves the domain, so that its end is seen and its name and disks stay taken until the agent removes it.
 */
export function xlConfig(spec: GuestSpec): string {
  const type = typeOf(spec);
  const memoryMiB = String(Math.ceil(spec.memoryBytes / MIB));
  const settings: readonly (readonly [string, string | undefined])[] = [
    ["name", quote(spec.name)],
    ["uuid", quote(spec.uid)],
    ["type", quote(type.toLowerCase())],
    ["memory", memoryMiB],
    ["maxmem", memoryMiB],
    ["vcpus", String(spec.cpus)],
    ...bootSettings(spec.boot, type),
    ...(type === "HVM" ? HEADLESS : []),
    ["disk", list(disks(spec))],
    ["vif", list(spec.networks.map(({ bridge, mac }, index) => card(spec.uid, bridge, mac, index)))],
    ...["on_poweroff", "on_reboot", "on_crash", "on_watchdog"].map((event) => [event, quote("preserve")] as const),
  ];
  return settings.flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${value}\n`])).join("");
}

const typeOf = ({ xen }: GuestSpec): GuestXen["type"] => xen?.type ?? "PV";

/** A serial console that xenconsoled reads, and no screen. */
const HEADLESS = [
  ["serial", quote("pty")],
  ["vnc", "0"],
  ["sdl", "0"],
  ["nographic", "1"],
] as const;

/**
 * A string for xl's parser, which knows C's escapes and neither \u nor unescaped ends of lines. Without it a command line
 * with a quote in it could add settings of its own.
 */
export function quote(text: string): string {
  const escaped = text.replace(/[\\"]/g, "\\$&").replace(/\p{Cc}/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}

const list = (items: readonly string[]): string => `[${items.map(quote).join(", ")}]`;

function bootSettings(boot: GuestBoot, type: GuestXen["type"]): readonly (readonly [string, string | undefined])[] {
  const optional = (text: string | undefined) => (text === undefined ? undefined : quote(text));
  if (boot.kind === "kernel")
    return [
      ["kernel", quote(boot.kernel)],
      ["ramdisk", optional(boot.initrd)],
      ["cmdline", optional(boot.cmdline)],
    ];
  if (boot.kind === "bootloader") {
    if (type !== "HVM") return [["bootloader", quote(boot.bootloader)]];
    throw new StartError(
      "BootInvalid",
      "spec.boot.bootloader: an HVM guest boots by its own firmware: set boot.firmware, or xen.type PV or PVH",
    );
  }
  if (type !== "HVM")
    throw new StartError(
      "BootInvalid",
      `spec.boot: a ${type} guest has no firmware to boot from: set boot.kernel or boot.bootloader, or xen.type HVM`,
    );
  return [
    ["bios", quote(boot.firmware === "UEFI" ? "ovmf" : "seabios")],
    ["boot", quote(boot.cdrom === undefined ? "c" : "dc")],
  ];
}

function disks({ boot, disks }: GuestSpec): readonly string[] {
  const cdrom = boot.kind === "firmware" ? boot.cdrom : undefined;
  if (cdrom !== undefined && disks.some(({ target }) => target === CDROM_TARGET))
    throw new StartError(
      "DiskTargetInvalid",
      `disk ${CDROM_TARGET}: boot.cdrom stands there: use another name for the disk`,
    );
  const found = disks.map(disk);
  return cdrom === undefined
    ? found
    : [...found, disk({ target: `${CDROM_TARGET}:cdrom`, device: cdrom, readOnly: true })];
}

/** Positional, so that everything behind the last `=` or comma is the device's name (xl-disk-configuration(5)). */
function disk({ target, device, readOnly }: GuestDisk): string {
  if (target.startsWith("vd"))
    throw new StartError("DiskTargetInvalid", `disk ${target}: vd is QEMU's: use ${target.replace(/^vd/, "xvd")}`);
  const [vdev, kind] = target.split(":");
  const how = kind === undefined ? ["backendtype=phy"] : [`devtype=${kind}`];
  return ["format=raw", `vdev=${vdev}`, `access=${readOnly ? "ro" : "rw"}`, ...how, `target=${device}`].join(",");
}

/** Name of the machine's end of a guest's card: at most 15 characters, and the same at every start. */
function card(uid: string, bridge: string, mac: string, index: number): string {
  const name = `fv${createHash("sha256").update(uid).digest("hex").slice(0, 8)}-${index}`;
  return `mac=${mac},bridge=${bridge},vifname=${name}`;
}
