import type { Effect, Executor } from "./types.ts";

/** Reads through `inner`; every effect is reported instead of done. */
export function dryRunExecutor(inner: Executor, report: (effect: Effect) => void): Executor {
  return {
    async run(command, signal) {
      if (!command.mutates) return inner.run(command, signal);
      report(command);
      return { exitCode: 0, stdout: "", stderr: "" };
    },
    async write(file) {
      report(file);
    },
    read: (path, signal) => inner.read(path, signal),
    realPath: (path, signal) => inner.realPath(path, signal),
  };
}
