import type { Clock } from "./clock.ts";
import { OperatorError } from "./errors.ts";

/** Something took longer than it may. Whether it was done all the same is not known. */
export class TimeoutError extends OperatorError {
  readonly reason = "Timeout";
}

/** A signal that fires with its parent or when the time is up; `cancel` must be called when the work is over. */
export interface Deadline {
  readonly signal: AbortSignal;
  readonly cancel: () => void;
}

/**
 * Bounds one piece of work. Unlike `AbortSignal.any` it leaves nothing behind on a parent that lives as long as the
 * process, and unlike `AbortSignal.timeout` it runs on a virtual clock too.
 */
export function deadline(clock: Clock, timeoutMs: number, what: string, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const onParent = () => controller.abort(parent?.reason);
  const cancelTimer = clock.schedule(timeoutMs, () =>
    controller.abort(new TimeoutError(`${what}: no end after ${timeoutMs} ms`)),
  );
  if (parent?.aborted) onParent();
  else parent?.addEventListener("abort", onParent, { once: true });
  const cancel = () => {
    cancelTimer();
    parent?.removeEventListener("abort", onParent);
  };
  return { signal: controller.signal, cancel };
}
