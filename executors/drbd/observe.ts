import { CommandError } from "../command/errors.ts";
import type { Executor } from "../command/types.ts";
import type { Known } from "../driver.ts";
import { observeClaims } from "../host/holders.ts";
import * as commands from "./commands.ts";
import { appliedPath, configPath } from "./config.ts";
import { DrbdParseError, parseEventsDump } from "./parse-events.ts";
import { parseProgress, type Progress } from "./parse-progress.ts";
import type { DiskState, ResourceState } from "./state.ts";

/** One resource as it is on this host: file, metadata and kernel. */
export interface ObservedReplica {
  readonly configFile: string | undefined;
  /** Digest of the file whose settings the kernel has, since the last boot; absent when nobody knows. */
  readonly appliedDigest?: string | undefined;
  /** `undefined`: the kernel does not have it. */
  readonly kernel: ResourceState | undefined;
  readonly metadata: Known;
  /** Signature on a disk without metadata (`ext4`, `LVM2_member`); empty: none. */
  readonly holds: string;
  /** Current data generation, 16 hexadecimal digits; `undefined`: nothing is attached, or it could not be read. */
  readonly currentUUID: string | undefined;
  /**
   * The generation since which the peer lacks what is here, attached or not; `undefined`: none, the peer was in step last, or
   * it could not be read.
   */
  readonly bitmapUUID?: string | undefined;
  /** Metadata that is not attached and knows a data generation: it was in use, perhaps by another resource. */
  readonly usedBefore?: boolean;
  /** The backing device is not there at all. */
  readonly diskMissing?: boolean;
  /** What has a backing device whose metadata cannot be read, in words; empty: nothing that can be named. */
  readonly claims?: readonly string[];
  readonly progress: Progress | undefined;
}

const DETACHED: ReadonlySet<DiskState> = new Set<DiskState>(["Diskless", "Failed", "Detaching"]);

export const isAttached = (kernel: ResourceState | undefined): boolean =>
  kernel?.device !== undefined && !DETACHED.has(kernel.device.diskState);

/** What the kernel has, all resources. A module that is not loaded has none; anything unreadable throws. */
export async function observeKernel(exec: Executor, signal: AbortSignal): Promise<ReadonlyMap<string, ResourceState>> {
  if ((await exec.read("/sys/module/drbd/version", signal)) === undefined) return new Map();
  return parseEventsDump((await exec.run(commands.eventsNow, signal)).stdout);
}

/** Reads file, kernel and metadata of one resource; `disk` is its backing device, where known. Metadata that cannot be read is `unknown`, never `no`. */
export async function observeReplica(
  name: string,
  disk: string | undefined,
  exec: Executor,
  signal: AbortSignal,
): Promise<ObservedReplica> {
  const configFile = await exec.read(configPath(name), signal);
  const appliedDigest = await exec.read(appliedPath(name), signal);
  const kernel = (await observeKernel(exec, signal)).get(name);
  const attached = isAttached(kernel);
  const { metadata, stored, diskMissing } =
    attached || configFile === undefined
      ? { metadata: attached ? ("yes" as const) : ("unknown" as const) }
      : await readMetadata(name, exec, signal);
  const generations =
    attached && kernel?.device !== undefined ? await readAttached(kernel.device.minor, exec, signal) : undefined;
  const progress =
    kernel?.device === undefined
      ? undefined
      : parseProgress((await exec.read("/proc/drbd", signal)) ?? "").get(kernel.device.minor);
  const holds = metadata === "no" && disk !== undefined ? await readSignature(disk, exec, signal) : "";
  const unreadable = metadata === "unknown" && configFile !== undefined;
  return {
    configFile,
    appliedDigest,
    kernel,
    metadata,
    holds,
    currentUUID: generations?.current,
    bitmapUUID: (generations ?? stored)?.bitmap,
    progress,
    // What cannot be read because another resource has it attached is in use, of all things.
    usedBefore: metadata === "yes" && !attached && stored?.current !== JUST_CREATED,
    diskMissing: diskMissing ?? false,
    claims: unreadable && disk !== undefined ? await observeClaims(disk, exec, signal) : [],
  };
}

const NOTHING_FOUND = 2;

async function readSignature(disk: string, exec: Executor, signal: AbortSignal): Promise<string> {
  try {
    return (await exec.run(commands.probeSignature(disk), signal)).stdout.trim() || "data";
  } catch (error) {
    if (error instanceof CommandError && error.output.exitCode === NOTHING_FOUND) return "";
    throw error;
  }
}

/** drbdmeta's own words for a device without metadata; any other failure leaves it open. */
const NO_METADATA = /no valid meta.?data found/i;

/** drbdmeta's own words for a device that is not there. */
const NO_DEVICE = /No such (file or directory|device)/i;

async function readMetadata(
  name: string,
  exec: Executor,
  signal: AbortSignal,
): Promise<{ metadata: Known; stored?: Generations | undefined; diskMissing?: boolean }> {
  try {
    const { stdout } = await exec.run(commands.dumpMetadata(name), signal);
    return { metadata: "yes", stored: parseDumpedGenerations(stdout) };
  } catch (error) {
    if (!(error instanceof CommandError) || error.outcomeUnknown) throw error;
    const said = `${error.output.stdout}\n${error.output.stderr}`;
    const metadata = classifyDumpFailure(said);
    if (metadata !== "yes") return { metadata, diskMissing: metadata === "unknown" && NO_DEVICE.test(said) };
  }
  return { metadata: "yes", stored: await readStored(name, exec, signal) };
}

/** What `create-md` writes for the data generation that is still to come. */
const JUST_CREATED = "0000000000000004";

/** What a failed `dump-md` tells: nothing there, there but unclean or in use, or no idea. */
export function classifyDumpFailure(said: string): Known {
  if (NO_METADATA.test(said)) return "no";
  return /please apply-al first|is configured!/i.test(said) ? "yes" : "unknown";
}

/** As DRBD has them, 16 hexadecimal digits each. */
interface Generations {
  readonly current: string;
  /** Since which the peer lacks what is here. */
  readonly bitmap: string | undefined;
}

/** Of a disk that is not attached; `undefined`: it does not tell. */
async function readStored(name: string, exec: Executor, signal: AbortSignal): Promise<Generations | undefined> {
  try {
    return parseGenerations((await exec.run(commands.getStoredGenerations(name), signal)).stdout);
  } catch (error) {
    if (error instanceof CommandError && !error.outcomeUnknown) return undefined;
    throw error;
  }
}

async function readAttached(minor: number, exec: Executor, signal: AbortSignal): Promise<Generations | undefined> {
  try {
    return parseGenerations((await exec.run(commands.getGenerations(minor), signal)).stdout);
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

/** Parses `drbdsetup get-gi`: `current:bitmap:history:history:flags…`. The lowest bit says "primary", not which data. */
export function parseGenerations(stdout: string): Generations {
  const [, current, bitmap] = /^([0-9A-F]{16}):([0-9A-F]{16}):/m.exec(stdout) ?? [];
  return generations("get-gi", stdout, current, bitmap);
}

/** Parses `uuid { 0xCURRENT; 0xBITMAP; …` of `drbdadm dump-md`. */
export function parseDumpedGenerations(stdout: string): Generations {
  const [, current, bitmap] = /^uuid \{\s+0x([0-9A-F]{16}); 0x([0-9A-F]{16});/m.exec(stdout) ?? [];
  return generations("dump-md", stdout, current, bitmap);
}

function generations(
  what: string,
  stdout: string,
  current: string | undefined,
  bitmap: string | undefined,
): Generations {
  if (current === undefined || bitmap === undefined)
    throw new DrbdParseError(`${what}: no generation in ${JSON.stringify(stdout.slice(0, 200))}`);
  const even = (uuid: string) => (BigInt(`0x${uuid}`) & ~1n).toString(16).toUpperCase().padStart(16, "0");
  return { current: even(current), bitmap: BigInt(`0x${bitmap}`) === 0n ? undefined : even(bitmap) };
}
