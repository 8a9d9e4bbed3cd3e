import { mkdir, open, readFile, realpath, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { kill } from "node:process";
import type { Readable } from "node:stream";
import { execa } from "execa";
import { systemClock } from "../../machinery/clock.ts";
import { CommandError } from "./errors.ts";
import type { Command, CommandOutput, Executor, FileWrite, Follow } from "./types.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
/** A report of a thousand volumes is below 2 MiB; more means that something is wrong. */
const MAX_OUTPUT_BYTES = 16 * 2 ** 20;
/** Time between SIGTERM and SIGKILL for a program that ran out of time. */
const KILL_AFTER_MS = 2_000;

/** A fixed environment: tools parse and print the same whatever the agent was started with. */
const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
  HOME: "/root",
};

/** Runs programs and writes files on this machine. The only place of the project that starts a machine's tools. */
export const localExecutor: Executor = { run, write, read, realPath };

async function run(command: Command, signal: AbortSignal): Promise<CommandOutput> {
  if (signal.aborted) throw new CommandError(command, NOT_STARTED, { cause: signal.reason });
  const [program, ...args] = command.argv;
  const process = execa(program, args, {
    env: ENVIRONMENT,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    // A group of its own: drbdadm, mkfs or lvm start further programs, which must end with it.
    detached: true,
    // Collected here: execa would escape it character by character for a failure's message, seconds for megabytes.
    buffer: false,
    ...(command.stdin === undefined ? { stdin: "ignore" as const } : { input: command.stdin }),
  });
  const ending = endEarly(process.pid, command.timeoutMs ?? DEFAULT_TIMEOUT_MS, signal);
  const tooMuch = () => ending.end("printed too much and was ended");
  const stdout = collect(process.stdout, tooMuch);
  const stderr = collect(process.stderr, tooMuch);
  try {
    const ended = await Promise.race([process, ending.stuck]);
    const output = { exitCode: ended?.exitCode ?? -1, stdout: stdout(), stderr: stderr() };
    return checked(command, output, ended, ending.why());
  } finally {
    ending.cancel();
  }
}

const NOT_STARTED: CommandOutput = { exitCode: -1, stdout: "", stderr: "not started: shutdown" };

/** Reads a stream to its end; the returned function gives the text so far. */
function collect(stream: Readable, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) tooMuch();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

/** What execa says about a process that has ended. */
interface Ended {
  readonly failed: boolean;
  readonly signal?: string | undefined;
  readonly cause?: unknown;
}

/** The output of a program that ended well, else CommandError. `early`: why it was ended from here. */
function checked(command: Command, output: CommandOutput, ended: Ended | undefined, early?: string): CommandOutput {
  if (ended === undefined)
    throw new CommandError(command, output, { outcomeUnknown: `${early}, and does not end: the kernel holds it` });
  if (early !== undefined) throw new CommandError(command, output, { outcomeUnknown: early });
  if (ended.signal !== undefined)
    throw new CommandError(command, output, { outcomeUnknown: `was ended by ${ended.signal}` });
  if (ended.failed) throw new CommandError(command, output, { cause: ended.cause });
  return output;
}

/**
 * Ends the process group when time is up or at shutdown: SIGTERM, then SIGKILL. `stuck` resolves when even that does not
 * help, as with a program that waits in the kernel for a frozen device: the agent goes on without it.
 */
function endEarly(pid: number | undefined, timeoutMs: number, signal: AbortSignal) {
  let why: string | undefined;
  let giveUp: (value: undefined) => void = () => undefined;
  const stuck = new Promise<undefined>((resolve) => {
    giveUp = resolve;
  });
  let cancelNext = systemClock.schedule(timeoutMs, () => end("timed out"));
  const end = (reason: string) => {
    if (why !== undefined) return;
    why = reason;
    cancelNext();
    killGroup(pid, "SIGTERM");
    cancelNext = systemClock.schedule(KILL_AFTER_MS, () => {
      killGroup(pid, "SIGKILL");
      cancelNext = systemClock.schedule(KILL_AFTER_MS, () => giveUp(undefined));
    });
  };
  const onAbort = () => end("was ended by a shutdown");
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    stuck,
    why: () => why,
    end,
    cancel() {
      cancelNext();
      // The program itself has ended; what it had started may have ignored SIGTERM.
      if (why !== undefined) killGroup(pid, "SIGKILL");
      signal.removeEventListener("abort", onAbort);
    },
  };
}

function killGroup(pid: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    kill(-pid, signal);
  } catch (error) {
    // Gone meanwhile.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Temporary file, fsync, rename, fsync of the directory: after a crash the old or the new content is there, whole. */
async function write(file: FileWrite, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const directory = dirname(file.path);
  await mkdir(directory, { recursive: true });
  const temporary = `${file.path}.ferrite-new`;
  const handle = await open(temporary, "w", file.mode ?? 0o644);
  try {
    await handle.chmod(file.mode ?? 0o644);
    await handle.writeFile(file.content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file.path);
  const parent = await open(directory, "r");
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

async function read(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readFile(path, { encoding: "utf8", signal });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function realPath(path: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  try {
    return await realpath(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return path;
    throw error;
  }
}

/** Ends when the program ends; throws when it failed. The program ends when the loop is left or `signal` fires. */
export const followLocal: Follow = async function* (argv, signal) {
  const [program, ...args] = argv;
  const running = execa(program, args, {
    env: ENVIRONMENT,
    extendEnv: false,
    buffer: false,
    stdin: "ignore",
    cancelSignal: signal,
    forceKillAfterDelay: KILL_AFTER_MS,
  });
  yield* running.iterable();
};
