import type { Executor } from "../command/types.ts";
import { type GuestSpec, HypervisorError } from "./guest.ts";
import { RUN } from "./qemu/files.ts";

/**
 * What this machine remembers of a guest's starts, in a file that dies with the machine as the guest does. Times are
 * seconds of the machine's uptime, which never jump.
 */
export interface Attempts {
  /** Starts in a row after which the guest did not last. */
  readonly count: number;
  readonly lastSeconds: number;
  /** When it was first asked to shut down. */
  readonly stoppingSinceSeconds?: number;
  /** Why the last start made no guest at all. */
  readonly failure?: { readonly reason: string; readonly message: string };
  /** As what it was started last. */
  readonly spec?: GuestSpec;
}

export const NO_ATTEMPTS: Attempts = { count: 0, lastSeconds: 0 };

const path = (uid: string): string => `${RUN}/${uid}/attempts.json`;

export async function readAttempts(uid: string, exec: Executor, signal: AbortSignal): Promise<Attempts> {
  const text = await exec.read(path(uid), signal);
  if (text === undefined) return NO_ATTEMPTS;
  try {
    return JSON.parse(text) as Attempts;
  } catch (cause) {
    throw new HypervisorError(`${path(uid)} is not JSON: remove it`, { cause });
  }
}

export async function writeAttempts(
  uid: string,
  attempts: Attempts,
  exec: Executor,
  signal: AbortSignal,
): Promise<void> {
  await exec.write({ kind: "write", path: path(uid), content: JSON.stringify(attempts), mode: 0o600 }, signal);
}

/** Seconds since the machine was started. */
export async function uptimeSeconds(exec: Executor, signal: AbortSignal): Promise<number> {
  const seconds = Number((await exec.read("/proc/uptime", signal))?.split(" ")[0]);
  if (!(seconds >= 0)) throw new HypervisorError("/proc/uptime does not say how long the machine runs");
  return seconds;
}
