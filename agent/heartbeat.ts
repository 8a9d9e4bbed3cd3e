import { isConflict, isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import { HOST_LEASE_PREFIX } from "../controllers/heartbeats.ts";
import { LEASES, type Lease } from "../controllers/lease.ts";
import { SYSTEM_NAMESPACE } from "../crds/constants.ts";
import { type Clock, formatMicroTime, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";

export interface HeartbeatOptions {
  readonly client: Pick<RestClient, "get" | "create" | "update">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hostName: string;
  /** Changes with every boot, so that two machines of one name are seen. */
  readonly bootID: string;
  readonly intervalMs: number;
  readonly leaseSeconds: number;
}

/** Renews the host's Lease for as long as it may; every failure is tried again at the next beat. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #sentMs: number | undefined;
  /** As it was written last: nobody else writes it, so that the next beat is one request. */
  #lease: Lease | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Monotonic time at which the last renewal that succeeded was sent: from here the host's own deadline counts. */
  get lastRenewalSentMs(): number | undefined {
    return this.#sentMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, intervalMs } = this.#options;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        await this.#renew(signal);
        this.#sentMs = startedMs;
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, "could not renew the lease");
      }
      const leftMs = intervalMs - (clock.monotonicMs() - startedMs);
      await sleep(clock, Math.max(0, leftMs), signal).catch(() => undefined); // only the signal rejects
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { client, clock, hostName, bootID, leaseSeconds } = this.#options;
    const key = { namespace: SYSTEM_NAMESPACE, name: HOST_LEASE_PREFIX + hostName };
    const now = formatMicroTime(clock.now());
    const spec = { holderIdentity: `${hostName}_${bootID}`, leaseDurationSeconds: leaseSeconds, renewTime: now };
    const write = (current: Lease | undefined): Promise<Lease> => {
      const acquireTime = current?.spec?.acquireTime ?? now;
      return current === undefined
        ? client.create(LEASES, { metadata: key, spec: { ...spec, acquireTime } }, signal)
        : client.update(LEASES, { ...current, spec: { ...spec, acquireTime } }, signal);
    };
    const known = this.#lease;
    // Until this beat was answered nobody knows what is there.
    this.#lease = undefined;
    if (known !== undefined)
      try {
        this.#lease = await write(known);
        return;
      } catch (error) {
        // Taken away, or written by another machine of this name: it is read again.
        if (!isConflict(error) && !isNotFound(error)) throw error;
      }
    this.#lease = await write(await this.#read(key, signal));
  }

  async #read(key: { readonly namespace: string; readonly name: string }, signal: AbortSignal) {
    try {
      return await this.#options.client.get(LEASES, key, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
