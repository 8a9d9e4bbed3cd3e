import { CommandError } from "../../executors/command/errors.ts";
import type { Command, CommandOutput, Executor, FileWrite } from "../../executors/command/types.ts";
import { ExecTimeout } from "./channel.ts";
import type { Guest } from "./guest.ts";

/** What `cat` never ends with. */
const NO_SUCH_FILE = 77;

/**
 * The machine's tools for drivers that run in the test: what `localExecutor` is for the agent, with the same errors. An abort is
 * seen between commands only.
 */
export function guestExecutor(guest: Guest): Executor {
  return {
    run: (command, signal) => run(guest, command, signal),
    write: (file, signal) => write(guest, file, signal),
    read: (path, signal) => read(guest, path, signal),
    realPath: (path, signal) => realPath(guest, path, signal),
  };
}

async function run(guest: Guest, command: Command, signal: AbortSignal): Promise<CommandOutput> {
  signal.throwIfAborted();
  const { argv, timeoutMs, stdin } = command;
  let output: CommandOutput;
  try {
    output = await guest.exec(argv, {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(stdin === undefined ? {} : { stdin }),
    });
  } catch (cause) {
    const outcomeUnknown = cause instanceof ExecTimeout ? "timed out" : "the machine did not answer";
    throw new CommandError(command, { exitCode: -1, stdout: "", stderr: "" }, { outcomeUnknown, cause });
  }
  if (output.exitCode !== 0) throw new CommandError(command, output);
  return output;
}

async function write(guest: Guest, file: FileWrite, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const temporary = `${file.path}.ferrite-new`;
  const mode = (file.mode ?? 0o644).toString(8);
  await guest.exec(["mkdir", "-p", file.path.replace(/\/[^/]*$/, "")]);
  await guest.putFile(temporary, file.content);
  const script = 'chmod "$1" "$2"; sync "$2"; mv -T "$2" "$3"';
  const { exitCode, stderr } = await guest.exec(["sh", "-euc", script, "write", mode, temporary, file.path]);
  if (exitCode !== 0) throw new Error(`${guest.name}: cannot write ${file.path}: ${stderr}`);
}

async function read(guest: Guest, path: string, signal: AbortSignal): Promise<string | undefined> {
  signal.throwIfAborted();
  const script = `[ -e "$1" ] || exit ${NO_SUCH_FILE}; exec cat -- "$1"`;
  const { exitCode, stdout, stderr } = await guest.exec(["sh", "-c", script, "read", path]);
  if (exitCode === NO_SUCH_FILE) return undefined;
  if (exitCode !== 0) throw new Error(`${guest.name}: cannot read ${path}: ${stderr}`);
  return stdout;
}

async function realPath(guest: Guest, path: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  return (await guest.sh(`realpath -- '${path}' 2>/dev/null || echo '${path}'`)).trim();
}
