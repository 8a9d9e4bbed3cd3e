import type { Attempts } from "../../executors/vm/attempts.ts";

/** A guest that lasted so long is not in a crash loop. */
const STABLE_SECONDS = 60;
const FIRST_PAUSE_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 300;

/** Seconds to wait before a guest that has ended is started again; doubled with each start that did not last. */
export function pauseSeconds({ count, lastSeconds }: Attempts, nowSeconds: number): number {
  if (count === 0) return 0;
  const pause = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (count - 1));
  return Math.max(0, lastSeconds + pause - nowSeconds);
}

/** Whether a running guest's record of starts is to be cleared. */
export const hasLasted = ({ count, lastSeconds }: Attempts, nowSeconds: number): boolean =>
  count > 0 && nowSeconds - lastSeconds >= STABLE_SECONDS;
