import type { CommandError } from "../../command/errors.ts";
import { type GuestSpec, StartError } from "../guest.ts";
import type { XenInfo } from "./info.ts";

const MIB = 2 ** 20;
/** What stands before the words that matter: `libxl: error: libxl_disk.c:297:device_disk_add: Domain 3:`. */
const ORIGIN = /^(?:libxl|xc): error: (?:panic: )?[\w.-]+\.c:\d+: ?(?:\w+: ?)?(?:Domain \d+:)?\s*/;
const SHOWN_LINES = 3;

interface Rule {
  readonly pattern: RegExp;
  readonly reason: string;
  readonly message: (spec: GuestSpec, found: RegExpExecArray, info: XenInfo) => string;
}

/** Words of xl and libxl 4.17, recorded but for the first: the first that fits is the cause, what follows it follows from it. */
const RULES: readonly Rule[] = [
  {
    pattern: /failed to free memory for the domain|can't allocate low memory for domain|: Out of memory/,
    reason: "InsufficientMemory",
    message: ({ memoryBytes }, _, { freeBytes }) =>
      `spec.memory.size: ${Math.ceil(memoryBytes / MIB)} MiB are asked for, ${Math.floor(freeBytes / MIB)} MiB are free on this host, less what Xen needs for each guest`,
  },
  {
    pattern: /domain with name "[^"]*" already exists/i,
    reason: "NameTaken",
    message: ({ name }) =>
      `another guest named ${name} is on this host: end it (xl list), or take it over by spec.adopt`,
  },
  {
    pattern: /Disk vdev=(\S+) failed to stat: (\S+): No such file/,
    reason: "DiskMissing",
    message: (_, [, target, device]) => `disk ${target}: there is no device ${device} on this host`,
  },
  {
    pattern: /Invalid or unsupported virtual disk identifier (\S+)/,
    reason: "DiskTargetInvalid",
    message: (_, [, target]) => `disk ${target}: Xen has no disk of that name: use xvda, xvdb, …`,
  },
  {
    pattern: /Device (\S+) is mounted (in [^,\n]+)/,
    reason: "DiskInUse",
    message: (_, [, device, where]) => `${device} is mounted ${where}: unmount it, or end that guest`,
  },
  {
    pattern: /failed to open file '([^']+)'/,
    reason: "BootFileMissing",
    message: (_, [, path]) => `spec.boot: ${path} cannot be opened on this host`,
  },
  {
    pattern: /no loader found: Invalid kernel/,
    reason: "KernelInvalid",
    message: ({ boot, xen }) =>
      `spec.boot.kernel: ${boot.kind === "kernel" ? boot.kernel : "what was found"} is no kernel that a ${xen?.type ?? "PV"} guest can start`,
  },
  {
    pattern: /bootloader failed - consult logfile (\S+)/,
    reason: "BootloaderFailed",
    message: ({ boot }, [, log]) =>
      `spec.boot.bootloader: ${boot.kind === "bootloader" ? boot.bootloader : "it"} is not there, or found nothing to start on the first disk: see ${log} on this host`,
  },
  {
    pattern: /device model (\S+) is not executable/,
    reason: "DeviceModelMissing",
    message: (_, [, path]) =>
      `spec.xen.type: HVM needs ${path}: install qemu-system-xen on this host, or use PV or PVH`,
  },
  {
    pattern: /killing execution of (.+) because of timeout/,
    reason: "DeviceTimeout",
    message: (_, [, script]) => `${script} did not end in time: a device does not answer, or this host is too busy`,
  },
  {
    pattern: /Could not find bridge device (\S+)/,
    reason: "BridgeMissing",
    message: (_, [, bridge]) => `there is no bridge ${bridge} on this host`,
  },
];

/** Why `xl create` failed, for whoever wrote the object. */
export function startError(spec: GuestSpec, cause: CommandError, info: XenInfo): StartError {
  if (cause.outcomeUnknown) return new StartError("StartFailed", `xl did not come back: ${cause.message}`, { cause });
  for (const { pattern, reason, message } of RULES) {
    const found = pattern.exec(cause.output.stderr);
    if (found !== null) return new StartError(reason, message(spec, found, info), { cause });
  }
  return new StartError("StartFailed", `Xen did not start it: ${ownWords(cause) || cause.message}`, { cause });
}

/** The first lines of trouble, without where in libxl they were written: the others follow from them. */
function ownWords({ output }: CommandError): string {
  return output.stderr
    .split("\n")
    .map((line) => line.replace(ORIGIN, "").trim())
    .filter((line) => line !== "" && !line.startsWith("Parsing config"))
    .slice(0, SHOWN_LINES)
    .join("; ");
}
