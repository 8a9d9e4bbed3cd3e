/** What the controller saw of a host's Lease. All times are of its own monotonic clock. */
export interface Heartbeat {
  /** When the Lease was seen for the first time, which proves nothing: it may be years old. */
  readonly firstSeenMs: number;
  /** When a renewal was seen last: the Lease changed before our eyes. */
  readonly renewedMs: number | undefined;
  readonly durationMs: number;
  /** `renewTime` of the Lease, by the host's clock: for people only. */
  readonly renewTime: string;
}

/** Whether the controller can see and the API could be written to. */
export interface Sight {
  /** Since when both hold without a break; undefined when they don't hold now. */
  readonly servedSinceMs: number | undefined;
  /** Since when the Leases cannot be watched, and why; undefined when they are. */
  readonly blind: { readonly sinceMs: number; readonly why: string } | undefined;
}

export type Verdict =
  | { readonly kind: "alive"; readonly recheckMs: number }
  /** No renewal for a full Lease, in a time in which the host could have renewed it and we would have seen it. */
  | { readonly kind: "expired" }
  /** Too early to say anything: what was known before stays. */
  | { readonly kind: "undetermined"; readonly recheckMs: number }
  | { readonly kind: "cannotSee"; readonly why: string; readonly recheckMs: number }
  | { readonly kind: "neverSeen" };

/** How soon to ask again when nothing says when sight comes back. */
const RECHECK_MS = 1000;

/**
 * Whether a host lives, by its heartbeat. Silence counts only while it could have been heard: the API must have served
 * without a break for as long as the Lease lasts. Who cannot see never concludes that anybody is dead.
 */
export function judgeHeartbeat(nowMs: number, heartbeat: Heartbeat | undefined, sight: Sight): Verdict {
  if (heartbeat === undefined) {
    return sight.blind === undefined ? { kind: "neverSeen" } : cannotSee(sight.blind.why);
  }
  const { durationMs, firstSeenMs, renewedMs } = heartbeat;
  const renewedAgoMs = nowMs - (renewedMs ?? Number.NEGATIVE_INFINITY);
  if (renewedAgoMs < durationMs) return { kind: "alive", recheckMs: durationMs - renewedAgoMs };
  if (sight.blind !== undefined && nowMs - sight.blind.sinceMs >= durationMs) return cannotSee(sight.blind.why);
  if (sight.blind !== undefined || sight.servedSinceMs === undefined)
    return { kind: "undetermined", recheckMs: RECHECK_MS };
  const silentSinceMs = Math.max(renewedMs ?? firstSeenMs, sight.servedSinceMs);
  const silentMs = nowMs - silentSinceMs;
  return silentMs < durationMs ? { kind: "undetermined", recheckMs: durationMs - silentMs } : { kind: "expired" };
}

const cannotSee = (why: string): Verdict => ({ kind: "cannotSee", why, recheckMs: RECHECK_MS });
