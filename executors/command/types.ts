/** A program to run: argv, never a shell string. */
export interface Command {
  readonly kind: "run";
  readonly argv: readonly [program: string, ...args: string[]];
  /** `false`: only reads; safe in a dry run and safe to repeat. */
  readonly mutates: boolean;
  /** Default 30 s. */
  readonly timeoutMs?: number;
  readonly stdin?: string;
}

/** A file to write: to a temporary name, fsync, rename. */
export interface FileWrite {
  readonly kind: "write";
  readonly path: string;
  readonly content: string;
  /** Default 0o644. */
  readonly mode?: number;
}

export type Effect = Command | FileWrite;

export interface CommandOutput {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The only way to a machine's tools: local, dry-run, record, replay. */
export interface Executor {
  /** Throws CommandError on a non-zero exit, a signal or a time-out; the outcome of a time-out is unknown. */
  run(command: Command, signal: AbortSignal): Promise<CommandOutput>;
  write(file: FileWrite, signal: AbortSignal): Promise<void>;
  /** The file's text, or `undefined` when it does not exist. Any other failure throws. */
  read(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** The name behind all symbolic links of an absolute path; a path that leads nowhere is answered as it is. */
  realPath(path: string, signal: AbortSignal): Promise<string>;
}

/** A program that runs for as long as it is followed, line by line (`drbdsetup events2`). */
export type Follow = (argv: Command["argv"], signal: AbortSignal) => AsyncIterable<string>;
