import type { Random } from "./random.ts";

/** Exponential growth from `baseMs` to `maxMs`, each delay spread over `[1 - jitter, 1 + jitter]` of itself. */
export interface BackoffPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
  /** Growth for each failure; 2 when absent. */
  readonly factor?: number;
  /** Share of the delay that is left to chance, 0 to 1; 0.2 when absent. Keeps a crowd from coming back in step. */
  readonly jitter?: number;
}

/** Delay before the next try after `failures` failures in a row (1 after the first). Never above `maxMs`. */
export function backoffMs(policy: BackoffPolicy, failures: number, random: Random): number {
  const { baseMs, maxMs, factor = 2, jitter = 0.2 } = policy;
  // A large exponent gives Infinity, which the minimum cuts.
  const delay = Math.min(maxMs, baseMs * factor ** Math.max(0, failures - 1));
  return Math.min(maxMs, delay * (1 - jitter + 2 * jitter * random.next()));
}
