import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { execa } from "execa";
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
export const localExecutor: Executor = { run, write, read };

async function run(command: Command, signal: AbortSignal): Promise<CommandOutput> {
  const [program, ...args] = command.argv;
  const result = await execa(program, args, {
    env: ENVIRONMENT,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    timeout: command.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    forceKillAfterDelay: KILL_AFTER_MS,
    cancelSignal: signal,
    maxBuffer: MAX_OUTPUT_BYTES,
    ...(command.stdin === undefined ? { stdin: "ignore" as const } : { input: command.stdin }),
  });
  const output = { exitCode: result.exitCode ?? -1, stdout: text(result.stdout), stderr: text(result.stderr) };
  if (!result.failed) return output;
  if (result.isMaxBuffer) throw new CommandError(command, output, { outcomeUnknown: "printed too much and was ended" });
  if (result.timedOut) throw new CommandError(command, output, { outcomeUnknown: "timed out" });
  if (result.isCanceled) throw new CommandError(command, output, { outcomeUnknown: "was ended by a shutdown" });
  if (result.signal !== undefined)
    throw new CommandError(command, output, { outcomeUnknown: `was ended by ${result.signal}` });
  throw new CommandError(command, output, { cause: result.cause });
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

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
