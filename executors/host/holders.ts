import { basename } from "node:path";
import { CommandError } from "../command/errors.ts";
import type { Command, Executor } from "../command/types.ts";
import { showResources } from "../drbd/commands.ts";
import { parseShow } from "../drbd/parse-show.ts";
import { HostParseError } from "./devices.ts";

const look = (argv: Command["argv"]): Command => ({ kind: "run", argv, mutates: false });
export const blockTreeCommand = (device: string): Command =>
  look(["lsblk", "--json", "--output", "PATH,KNAME,TYPE,MOUNTPOINTS", device]);
export const openFilesCommand = (kernelName: string): Command =>
  look([
    "find",
    "/proc",
    "-mindepth",
    "3",
    "-maxdepth",
    "3",
    "-path",
    "/proc/[0-9]*/fd/*",
    "-lname",
    `/dev/${kernelName}`,
    "-printf",
    "%h\\n",
  ]);

interface Node {
  readonly path: string;
  readonly kname: string;
  readonly type: string;
  readonly mountpoints?: readonly (string | null)[];
  readonly children?: readonly Node[];
}

/**
 * What the kernel itself keeps a device for, in words for people: `mounted at /mnt`, `/dev/drbd1000`. Empty: nothing, or
 * there is no such device. Processes are not looked for: see `observeHolders`.
 */
export async function observeClaims(device: string, exec: Executor, signal: AbortSignal): Promise<readonly string[]> {
  const node = await blockTree(device, exec, signal);
  return node === undefined ? [] : claims(node, await observeMirrored(exec, signal));
}

/** Everybody who has a device in use, in words for people: what the kernel keeps it for, and processes by name and number. */
export async function observeHolders(device: string, exec: Executor, signal: AbortSignal): Promise<readonly string[]> {
  const node = await blockTree(device, exec, signal);
  if (node === undefined) return [];
  return [...claims(node, await observeMirrored(exec, signal)), ...(await processes(node.kname, exec, signal))];
}

/** What DRBD has attached, kernel's name of the device -> DRBD's device: lsblk does not see what DRBD stands on. */
async function observeMirrored(exec: Executor, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  if ((await exec.read("/sys/module/drbd/version", signal)) === undefined) return new Map();
  const mirrored = new Map<string, string>();
  for (const { backing, minor } of parseShow((await exec.run(showResources, signal)).stdout).values())
    if (backing !== undefined) mirrored.set(basename(await exec.realPath(backing, signal)), `/dev/drbd${minor}`);
  return mirrored;
}

async function blockTree(device: string, exec: Executor, signal: AbortSignal): Promise<Node | undefined> {
  try {
    return parseBlockTree((await exec.run(blockTreeCommand(device), signal)).stdout);
  } catch (error) {
    if (error instanceof CommandError && !error.outcomeUnknown) return undefined;
    throw error;
  }
}

/** Parses `lsblk --json --output PATH,KNAME,TYPE,MOUNTPOINTS DEVICE` (util-linux 2.38). */
export function parseBlockTree(stdout: string): Node | undefined {
  let parsed: { blockdevices?: readonly Node[] };
  try {
    parsed = JSON.parse(stdout);
  } catch (cause) {
    throw new HostParseError("lsblk did not print JSON", { cause });
  }
  if (!Array.isArray(parsed.blockdevices)) throw new HostParseError("lsblk printed no blockdevices");
  return parsed.blockdevices[0];
}

/**
 * A partition is a part of its disk, and counts only when it is in use itself; whatever else stands on a device has it open.
 * `mirrored`: devices that DRBD has attached, by the kernel's name.
 */
export function claims(node: Node, mirrored: ReadonlyMap<string, string>): readonly string[] {
  const mounts = (node.mountpoints ?? []).flatMap((point) =>
    point === null ? [] : [point === "[SWAP]" ? "used as swap" : `mounted at ${point}`],
  );
  const above = (node.children ?? []).flatMap((child) => {
    const its = claims(child, mirrored);
    return child.type === "part" ? its.map((claim) => `${child.path} ${claim}`) : [child.path, ...its];
  });
  const mirror = mirrored.get(node.kname);
  return [...mounts, ...above, ...(mirror === undefined || above.includes(mirror) ? [] : [mirror])];
}

/** More names help nobody. */
const SHOWN_PROCESSES = 5;

async function processes(kernelName: string, exec: Executor, signal: AbortSignal): Promise<readonly string[]> {
  let found: string;
  try {
    found = (await exec.run(openFilesCommand(kernelName), signal)).stdout;
  } catch (error) {
    // Processes end while it looks at them: it says so, and has gone on.
    if (!(error instanceof CommandError) || error.outcomeUnknown) throw error;
    found = error.output.stdout;
  }
  const pids = [...new Set(found.split("\n").flatMap((line) => /^\/proc\/(\d+)\//.exec(line)?.[1] ?? []))];
  const names = await Promise.all(
    pids.slice(0, SHOWN_PROCESSES).map(async (pid) => {
      const name = await exec.read(`/proc/${pid}/comm`, signal).catch(() => undefined);
      return `${name?.trim() ?? "a process"} (process ${pid})`;
    }),
  );
  return names;
}

/** How the tools say that somebody has the device open: LVM, wipefs, drbdsetup, mkfs. */
const BUSY = /held open|in use|is busy|resource busy|exclusively|is mounted|can ?not open backing device/i;

export const saysBusy = (error: unknown): boolean =>
  error instanceof CommandError && !error.outcomeUnknown && BUSY.test(`${error.output.stderr}\n${error.output.stdout}`);

/** `/dev/vdc is in use: mounted at /mnt, sleep (process 71)`, as far as the holders can be named. */
export const inUseMessage = (device: string, holders: readonly string[]): string =>
  holders.length === 0
    ? `${device} is in use, by what cannot be seen from here: perhaps a guest, an export, or another container`
    : `${device} is in use: ${holders.join(", ")}`;
