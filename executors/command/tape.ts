import { CommandError } from "./errors.ts";
import type { CommandOutput, Executor } from "./types.ts";

/** One thing that an executor was asked, and its answer. A tape is a list of them, in order. */
export type Exchange =
  | ({ readonly kind: "run"; readonly argv: readonly string[] } & CommandOutput)
  | { readonly kind: "write"; readonly path: string; readonly content: string }
  | { readonly kind: "read"; readonly path: string; readonly content: string | undefined }
  | { readonly kind: "realPath"; readonly path: string; readonly target: string };

/** Passes everything on to `inner` and tells `sink` what was asked and answered, failures included. */
export function recordExecutor(inner: Executor, sink: (exchange: Exchange) => void): Executor {
  return {
    async run(command, signal) {
      try {
        const output = await inner.run(command, signal);
        sink({ kind: "run", argv: command.argv, ...output });
        return output;
      } catch (error) {
        if (error instanceof CommandError) sink({ kind: "run", argv: command.argv, ...error.output });
        throw error;
      }
    },
    async write(file, signal) {
      await inner.write(file, signal);
      sink({ kind: "write", path: file.path, content: file.content });
    },
    async read(path, signal) {
      const content = await inner.read(path, signal);
      sink({ kind: "read", path, content });
      return content;
    },
    async realPath(path, signal) {
      const target = await inner.realPath(path, signal);
      sink({ kind: "realPath", path, target });
      return target;
    },
  };
}

/** Thrown where a tape was cut: what a crash at this very step looks like to the code above. */
export class TapeCut extends Error {}

export interface ReplayExecutor extends Executor {
  /** Throws when the tape has steps that nobody asked for. */
  assertDrained(): void;
}

/**
 * Answers from a tape, in strict order: any other question is an error. `cutAt` n: the n-th step (from 0) throws
 * TapeCut, as if the process had died there.
 */
export function replayExecutor(tape: readonly Exchange[], cutAt = Number.POSITIVE_INFINITY): ReplayExecutor {
  let position = 0;
  const next = <K extends Exchange["kind"]>(kind: K, asked: string): Extract<Exchange, { kind: K }> => {
    if (position === cutAt) throw new TapeCut(`cut before step ${position}: ${asked}`);
    const exchange = tape[position++];
    if (exchange?.kind !== kind || label(exchange) !== asked)
      throw new Error(
        `tape step ${position - 1}: asked for ${asked}, tape has ${exchange ? label(exchange) : "ended"}`,
      );
    return exchange as Extract<Exchange, { kind: K }>;
  };
  return {
    async run(command) {
      const answer = next("run", `run ${command.argv.join(" ")}`);
      if (answer.exitCode !== 0) throw new CommandError(command, answer);
      return { exitCode: answer.exitCode, stdout: answer.stdout, stderr: answer.stderr };
    },
    async write(file) {
      const answer = next("write", `write ${file.path}`);
      if (answer.content !== file.content)
        throw new Error(`tape: ${file.path} should get\n${answer.content}\nbut got\n${file.content}`);
    },
    async read(path) {
      return next("read", `read ${path}`).content;
    },
    async realPath(path) {
      return next("realPath", `realPath ${path}`).target;
    },
    assertDrained() {
      if (position < tape.length)
        throw new Error(`tape: ${tape.length - position} step(s) never asked for, next: ${label(tape[position])}`);
    },
  };
}

const label = (exchange: Exchange | undefined): string => {
  if (exchange === undefined) return "nothing";
  return exchange.kind === "run" ? `run ${exchange.argv.join(" ")}` : `${exchange.kind} ${exchange.path}`;
};
