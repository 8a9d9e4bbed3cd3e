import type { Clock } from "../machinery/clock.ts";
import type { DeepReadonly } from "../machinery/object.ts";
import type { Heartbeat } from "../reconcilers/host/judge-heartbeat.ts";
import type { Lease } from "./lease.ts";

/** Leases of hosts are named after them. */
export const HOST_LEASE_PREFIX = "host-";
const DEFAULT_LEASE_MS = 6000;

/** The host whose heartbeat this Lease is, or undefined for any other Lease. */
export function hostOfLease(lease: DeepReadonly<Lease>): string | undefined {
  const { name = "" } = lease.metadata;
  return name.startsWith(HOST_LEASE_PREFIX) ? name.slice(HOST_LEASE_PREFIX.length) : undefined;
}

/**
 * Remembers when each host's Lease was seen to be renewed, by our own monotonic clock: no other machine's clock is
 * believed. Only a change of `renewTime` is a renewal. A Lease that is deleted is simply not renewed any more.
 */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #seen = new Map<string, Heartbeat>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(hostName: string): Heartbeat | undefined {
    return this.#seen.get(hostName);
  }

  /** Answers with the host whose heartbeat it was. */
  observe(lease: DeepReadonly<Lease>): string | undefined {
    const hostName = hostOfLease(lease);
    if (hostName === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const { renewTime = "", leaseDurationSeconds } = lease.spec ?? {};
    const known = this.#seen.get(hostName);
    const renewed = known !== undefined && renewTime !== "" && renewTime !== known.renewTime;
    this.#seen.set(hostName, {
      firstSeenMs: known?.firstSeenMs ?? nowMs,
      renewedMs: renewed ? nowMs : known?.renewedMs,
      durationMs: leaseDurationSeconds === undefined ? DEFAULT_LEASE_MS : leaseDurationSeconds * 1000,
      renewTime,
    });
    return hostName;
  }
}
