import type { CommandOutput, Executor } from "../command/types.ts";
import { xenDomains } from "../vm/xen/domains.ts";
import { isControlDomain, xenInfo } from "../vm/xen/info.ts";
import { HostParseError } from "./devices.ts";

/** What the machine is; sizes in bytes. */
export interface Machine {
  /** `uname -n`, as DRBD's `on` sections want it. */
  readonly nodeName: string;
  readonly bootID: string;
  readonly cpus: number;
  /** Of Xen's first domain: all of the machine's, the guests' too. */
  readonly memoryBytes: number;
  /** What guests may have at most, whatever is kept for the machine. */
  readonly guestMemoryBytes: number;
  readonly kernel: string;
}

/** Versions of tools and modules; `undefined`: not there. */
export interface Tools {
  readonly drbd: string | undefined;
  readonly lvm: string | undefined;
  readonly nbd: string | undefined;
  readonly xen: string | undefined;
  readonly qemu: string | undefined;
}

/** Throws HostParseError when /proc does not say what it must. */
export async function observeMachine(exec: Executor, signal: AbortSignal): Promise<Machine> {
  const nodeName = (await must(exec, "/proc/sys/kernel/hostname", signal)).trim();
  const kernel = (await must(exec, "/proc/sys/kernel/osrelease", signal)).trim();
  const meminfo = await must(exec, "/proc/meminfo", signal);
  const memoryKiB = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  const cpus = (await must(exec, "/proc/cpuinfo", signal)).match(/^processor\s*:/gm)?.length;
  if (!nodeName || !kernel || memoryKiB === undefined || cpus === undefined)
    throw new HostParseError("/proc/sys/kernel, /proc/meminfo or /proc/cpuinfo is not as expected");
  const bootID = (await must(exec, "/proc/sys/kernel/random/boot_id", signal)).trim();
  const memoryBytes = Number(memoryKiB) * 1024;
  return {
    nodeName,
    kernel,
    cpus,
    bootID,
    ...((await memoryOfXen(exec, signal)) ?? { memoryBytes, guestMemoryBytes: memoryBytes }),
  };
}

/** The first domain's own /proc/meminfo tells of that domain alone; what it has itself no guest gets. */
async function memoryOfXen(
  exec: Executor,
  signal: AbortSignal,
): Promise<Pick<Machine, "memoryBytes" | "guestMemoryBytes"> | undefined> {
  if (!(await isControlDomain(exec, signal))) return undefined;
  const { totalBytes, freeBytes } = await xenInfo(exec, signal);
  const guests = await xenDomains(exec, signal);
  const used = guests.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  return { memoryBytes: totalBytes, guestMemoryBytes: freeBytes + used };
}

async function must(exec: Executor, path: string, signal: AbortSignal): Promise<string> {
  const text = await exec.read(path, signal);
  if (text === undefined) throw new HostParseError(`${path} is not there`);
  return text;
}

/** How each tool tells its version; a tool that is not installed is `undefined`, never an error. */
export async function observeTools(exec: Executor, signal: AbortSignal): Promise<Tools> {
  const version = async (pattern: RegExp, ...argv: [string, ...string[]]): Promise<string | undefined> => {
    // `sh` answers 127 for a program that is not there, which tells it apart from one that fails.
    const output = await exec.run(
      { kind: "run", argv: ["sh", "-c", '"$@" 2>&1 || true', "sh", ...argv], mutates: false },
      signal,
    );
    return found(pattern, output);
  };
  const loaded = await exec.read("/sys/module/drbd/version", signal);
  return {
    drbd: loaded?.trim() ?? (await version(/^(\d[\w.+-]*)$/m, "modinfo", "-F", "version", "drbd")),
    lvm: await version(/LVM version:\s+(\d[\w.+-]*)/, "lvm", "version"),
    nbd: await version(/version (\d[\w.+-]*)/, "nbd-client", "--version"),
    xen: (await isControlDomain(exec, signal)) ? await xenVersion(exec, signal) : undefined,
    qemu: await version(/version (\d[\w.+-]*)/, "qemu-system-x86_64", "--version"),
  };
}

const found = (pattern: RegExp, output: CommandOutput) => pattern.exec(output.stdout)?.[1];

async function xenVersion(exec: Executor, signal: AbortSignal): Promise<string | undefined> {
  const part = async (name: string) => (await exec.read(`/sys/hypervisor/version/${name}`, signal))?.trim() ?? "";
  return `${await part("major")}.${await part("minor")}${await part("extra")}`;
}
