import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Executor } from "./types.ts";

/** Notes every program that is run, and how long it took, at level debug: where the time of a pass went. */
export function loggedExecutor(inner: Executor, clock: Clock, log: Logger): Executor {
  if (!log.isLevelEnabled("debug")) return inner;
  return {
    async run(command, signal) {
      const startedMs = clock.monotonicMs();
      try {
        return await inner.run(command, signal);
      } finally {
        log.debug({ argv: command.argv, tookMs: Math.round(clock.monotonicMs() - startedMs) }, "ran a program");
      }
    },
    write: (file, signal) => inner.write(file, signal),
    read: (path, signal) => inner.read(path, signal),
    realPath: (path, signal) => inner.realPath(path, signal),
  };
}
