import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";

/** One part of a process that ends after what comes before it. */
export interface ShutdownStep {
  readonly name: string;
  readonly stop: () => Promise<unknown>;
  /** It is left behind when it takes longer. */
  readonly withinMs: number;
}

/**
 * Ends the parts of a process one after the other. One that fails, or hangs, keeps none of the others from ending.
 * Resolves within the sum of all bounds: true when everything ended in good order.
 */
export async function shutDown(
  steps: readonly ShutdownStep[],
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<boolean> {
  let orderly = true;
  for (const { name, stop, withinMs } of steps) {
    let cancel = (): void => {};
    const late = new Promise<"late">((resolve) => {
      cancel = clock.schedule(withinMs, () => resolve("late"));
    });
    try {
      if ((await Promise.race([stop(), late])) !== "late") continue;
      log.error({ step: name, withinMs }, "did not end in time, is left behind");
    } catch (err) {
      log.error({ err, step: name }, "did not end in good order");
    } finally {
      cancel();
    }
    orderly = false;
  }
  return orderly;
}

/** How long what was left behind may keep the process alive. */
const LINGER_MS = 1000;

/** Ends the process with `exitCode` soon, whatever still keeps it alive; at once when nothing does. */
export function exitSoon(exitCode: number, log: Logger): void {
  process.exitCode = exitCode;
  const timer = setTimeout(() => {
    log.warn({ exitCode, resources: process.getActiveResourcesInfo() }, "something outlives the shutdown, exits");
    process.exit();
  }, LINGER_MS);
  timer.unref();
}
