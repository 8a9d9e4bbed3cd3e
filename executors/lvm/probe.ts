import { CommandError } from "../command/errors.ts";
import type { Command, Executor } from "../command/types.ts";
import type { Known } from "../driver.ts";
import { observeClaims } from "../host/holders.ts";
import { LvmParseError } from "./report.ts";

/** What is on a device that may be about to be overwritten. */
export interface DeviceProbe {
  /** As it was asked for, perhaps a link. */
  readonly path: string;
  /** The kernel's name behind the link. */
  readonly realPath: string;
  readonly present: Known;
  /** Signatures of file systems, partition tables, LVM, RAID, DRBD. */
  readonly signatures: readonly string[];
  /** Whether there is anything on it: a signature, or bytes other than zero at its beginning. */
  readonly holdsData: Known;
  /** What the kernel keeps it for (a mount, DRBD, a volume on it), in words; such a device is never touched. */
  readonly claims: readonly string[];
}

/** How much of the beginning must be zeros for a device without signatures to count as empty. */
const PROBED_BYTES = 2 ** 20;

const look = (argv: Command["argv"]): Command => ({ kind: "run", argv, mutates: false });
export const signaturesCommand = (path: string): Command => look(["wipefs", "--no-act", "--json", path]);
export const zerosCommand = (path: string): Command =>
  look(["cmp", `--bytes=${PROBED_BYTES}`, "--", path, "/dev/zero"]);

/** The kernel's names of devices, in the same order. */
export function realPaths(paths: readonly string[], exec: Executor, signal: AbortSignal): Promise<string[]> {
  return Promise.all(paths.map((path) => exec.realPath(path, signal)));
}

/** Looks at a device. Only a device that is provably not there is absent; what cannot be read is unknown. */
export async function probeDevice(
  path: string,
  realPath: string,
  exec: Executor,
  signal: AbortSignal,
): Promise<DeviceProbe> {
  try {
    const signatures = parseSignatures((await exec.run(signaturesCommand(path), signal)).stdout);
    const holdsData = signatures.length > 0 ? "yes" : await holdsBytes(path, exec, signal);
    const claims = await observeClaims(path, exec, signal);
    return { path, realPath, present: "yes", signatures, holdsData, claims };
  } catch (error) {
    if (!(error instanceof CommandError) || error.outcomeUnknown) throw error;
    const absent = /No such (file or directory|device)/.test(error.output.stderr);
    return { path, realPath, present: absent ? "no" : "unknown", signatures: [], holdsData: "unknown", claims: [] };
  }
}

/** cmp: exit 0 equal, 1 different, anything else trouble; a device that ends early says so on stderr. */
async function holdsBytes(path: string, exec: Executor, signal: AbortSignal): Promise<Known> {
  try {
    await exec.run(zerosCommand(path), signal);
    return "no";
  } catch (error) {
    if (!(error instanceof CommandError) || error.outcomeUnknown) throw error;
    return error.output.exitCode === 1 && !error.output.stderr.includes("EOF") ? "yes" : "unknown";
  }
}

/** Parses `wipefs --no-act --json` (util-linux 2.38): the types found. */
export function parseSignatures(stdout: string): readonly string[] {
  let parsed: { signatures?: readonly { readonly type?: unknown }[] };
  try {
    parsed = JSON.parse(stdout);
  } catch (cause) {
    throw new LvmParseError("wipefs did not print JSON", { cause });
  }
  if (!Array.isArray(parsed.signatures)) throw new LvmParseError("wipefs printed no signatures");
  return parsed.signatures.map(({ type }) => {
    if (typeof type !== "string") throw new LvmParseError("wipefs: a signature without a type");
    return type;
  });
}
