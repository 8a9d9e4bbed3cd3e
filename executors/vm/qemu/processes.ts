import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A QEMU process, as /proc shows it. */
export interface QemuProcess {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the pid it names one process for ever, until the next boot. */
  readonly startTicks: string;
  /** It has ended, but threads of it are still in the kernel and hold its devices. */
  readonly dying: boolean;
  /** Empty once it is dying. */
  readonly argv: readonly string[];
}

/** The kernel keeps 15 characters of a program's name. */
const COMMAND = /^qemu-system-/;

/** All QEMU processes of the machine. One that ends meanwhile is left out; anything else that cannot be read throws. */
export async function listQemu(procRoot: string): Promise<readonly QemuProcess[]> {
  const pids = (await readdir(procRoot)).filter((name) => /^\d+$/.test(name));
  const found: QemuProcess[] = [];
  for (const pid of pids) {
    const process = await readProcess(procRoot, Number(pid));
    if (process !== undefined) found.push(process);
  }
  return found;
}

async function readProcess(procRoot: string, pid: number): Promise<QemuProcess | undefined> {
  const stat = readStat(join(procRoot, `${pid}/stat`));
  // The name stands in parentheses and may hold anything; the state is the first field after it.
  const end = stat?.lastIndexOf(")") ?? -1;
  if (stat === undefined || end < 0 || !COMMAND.test(stat.slice(stat.indexOf("(") + 1, end))) return undefined;
  const fields = stat.slice(end + 2).split(" ");
  const [state, startTicks, threads] = [fields[0], fields[19], Number(fields[17])];
  if (startTicks === undefined) return undefined;
  const ended = state === "Z" || state === "X";
  if (ended && threads <= 1) return undefined;
  const commandLine = await readUnlessGone(join(procRoot, `${pid}/cmdline`));
  if (commandLine === undefined) return undefined;
  const argv = commandLine.split("\0").slice(0, -1);
  return { pid, startTicks, dying: ended || argv.length === 0, argv };
}

/** At once: the kernel answers from memory and waits for nobody, and hundreds of these are read every few seconds. */
function readStat(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return undefinedWhenGone(error);
  }
}

async function readUnlessGone(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    return undefinedWhenGone(error);
  }
}

function undefinedWhenGone(error: unknown): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOENT" && code !== "ESRCH") throw error;
}

/** What a QEMU process says of itself in its arguments. */
export interface QemuIdentity {
  readonly uuid: string | undefined;
  readonly name: string | undefined;
  /** Path of the first monitor on a unix socket. */
  readonly monitor: string | undefined;
}

/** Reads `-uuid`, `-name [guest=]NAME[,…]` and `-qmp unix:PATH[,…]`, as people and libvirt write them too. */
export function identityOf(argv: readonly string[]): QemuIdentity {
  const after = (option: string) => {
    const at = argv.findIndex((word) => word === option || word === `-${option}`);
    return at < 0 ? undefined : argv[at + 1];
  };
  const [name] = (after("-name") ?? "").split(",");
  const monitor = /^unix:([^,]+)/.exec(after("-qmp") ?? "")?.[1];
  return { uuid: after("-uuid"), name: name?.replace(/^guest=/, "") || undefined, monitor };
}

/** pid -> UID by the pid files that QEMU wrote below `runRoot`: a process that is dying has lost its arguments. */
export async function recordedPids(runRoot: string): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  for (const uid of await directoryOrNone(runRoot)) {
    const text = await readUnlessGone(join(runRoot, uid, "pid"));
    if (text !== undefined) found.set(Number(text.trim()), uid);
  }
  return found;
}

async function directoryOrNone(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
