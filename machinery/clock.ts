/**
 * The only door to time. Everything that waits or reads a clock takes a `Clock`, so that the whole system can run on a
 * virtual one (`virtual-clock.ts`).
 */
export interface Clock {
  /** Wall clock; may jump. For timestamps that people read, never for deadlines. */
  now(): Date;
  /** Milliseconds on a clock that never goes back. For deadlines and durations. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** Longest delay that Node's timers take; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const MILLISECONDS = ".000Z";

/** RFC 3339 in whole seconds, UTC: the form of metav1.Time. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, -MILLISECONDS.length)}Z`;
}

/** RFC 3339 with microseconds, UTC: the form of metav1.MicroTime (Leases, Events). */
export function formatMicroTime(time: Date): string {
  return `${time.toISOString().slice(0, -1)}000Z`;
}
