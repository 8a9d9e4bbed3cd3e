import { type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process of the lab. The start time tells it from a stranger that was given the same pid later. */
export interface ProcessRecord {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly startTicks: string;
}

export interface SpawnOptions {
  /** stdout and stderr are appended here. */
  readonly logPath: string;
  /** The kernel kills the process when ours ends, however it ends. */
  readonly diesWithUs: boolean;
}

/** Starts a program in a session of its own, so that Ctrl-C reaches us first. */
export function start(argv: readonly string[], options: SpawnOptions): ProcessRecord {
  const [program, ...args] = options.diesWithUs ? ["setpriv", "--pdeathsig", "KILL", "--", ...argv] : argv;
  if (program === undefined) throw new Error("start: empty argv");
  const log = openSync(options.logPath, "a");
  try {
    const stdio: StdioOptions = ["ignore", log, log];
    const child = spawn(program, args, { detached: true, stdio });
    child.on("error", () => {}); // seen as a process that is not alive; the log says the rest
    child.unref();
    if (child.pid === undefined) throw new Error(`${program} could not be started: is it installed?`);
    return { pid: child.pid, startTicks: startTicksOf(child.pid) ?? "" };
  } finally {
    closeSync(log);
  }
}

export function isAlive({ pid, startTicks }: ProcessRecord): boolean {
  return startTicksOf(pid) === startTicks;
}

/** SIGKILL, and waits until the process is gone. A process that is gone already is fine. */
export async function kill(record: ProcessRecord): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (isAlive(record)) {
    try {
      process.kill(record.pid, "SIGKILL");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
    }
    if (performance.now() > deadline) throw new Error(`process ${record.pid} does not die`);
    await sleep(10);
  }
}

/** `undefined`: there is no such process, or only its zombie. */
function startTicksOf(pid: number): string | undefined {
  let stat: string;
  let threads: number;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    threads = readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return undefined;
  }
  // The command name stands in parentheses and may hold anything; state is the first field after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // The first thread may be a zombie while the others still hold the process's files.
  return (fields[0] === "Z" || fields[0] === "X") && threads <= 1 ? undefined : fields[19];
}

export function thisProcess(): ProcessRecord {
  return { pid: process.pid, startTicks: startTicksOf(process.pid) ?? "" };
}
