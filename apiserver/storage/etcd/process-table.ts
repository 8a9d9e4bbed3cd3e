import { readdirSync, readFileSync } from "node:fs";
import { type Clock, sleep } from "../../../machinery/clock.ts";

const POLL_MS = 10;

/** The ids of the processes whose argv holds `argument`, from /proc (proc(5)). Zombies have no argv. */
export function findByArgument(argument: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && argvOf(pid).includes(argument));
}

function argvOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // It ended meanwhile, or belongs to somebody else: then it is not ours.
    return [];
  }
}

/** Ends processes by argument: SIGTERM, and SIGKILL for those that are still there after `graceMs`. */
export async function endByArgument(argument: string, graceMs: number, clock: Clock): Promise<void> {
  const deadlineMs = clock.monotonicMs() + graceMs;
  const asked = new Set<number>();
  for (let pids = findByArgument(argument); pids.length > 0; pids = findByArgument(argument)) {
    const late = clock.monotonicMs() > deadlineMs;
    for (const pid of pids) {
      if (late) send(pid, "SIGKILL");
      else if (!asked.has(pid)) send(pid, "SIGTERM");
      asked.add(pid);
    }
    await sleep(clock, POLL_MS);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
