import { isConflict, isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import type { Transport } from "../client/transport.ts";
import { type Clock, formatMicroTime, sleep } from "../machinery/clock.ts";
import { deadline } from "../machinery/deadline.ts";
import { OperatorError } from "../machinery/errors.ts";
import type { Logger } from "../machinery/log.ts";
import type { Random } from "../machinery/random.ts";
import { LEASES, type Lease, type LeaseSpec } from "./lease.ts";

/** This process does not lead (any more): it must not write. */
export class NotLeaderError extends OperatorError {
  readonly reason = "NotLeader";
}

export interface LeaderElectionOptions {
  readonly client: Pick<RestClient, "get" | "create" | "update">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly namespace: string;
  readonly name: string;
  /** Unique for each start of a process. */
  readonly identity: string;
  /** Others wait so long after the last renewal that they saw. Whole seconds. */
  readonly leaseMs?: number;
  /** The leader stops so long after it sent its last successful renewal; must be well below `leaseMs`. */
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
}

/** One time of leading. */
export interface Term {
  /** Fires when the lease is lost or could not be renewed in time, and at shutdown. */
  readonly signal: AbortSignal;
  /** Compares with the clock at once: false even before `signal` could fire, after the process was frozen. */
  readonly isLeading: () => boolean;
}

const DEFAULTS = { leaseMs: 6000, renewDeadlineMs: 4000, retryMs: 1000 };

/**
 * Leader election over a Lease with the rules of client-go, on the monotonic clock only: the time in the Lease is for
 * people. A candidate takes over when it saw no change of the Lease for the Lease's duration. A leader counts from the
 * moment it *sent* its last successful renewal, and stops earlier than a candidate may start.
 */
export class LeaderElector {
  readonly #options: LeaderElectionOptions & typeof DEFAULTS;
  /** The Lease as last seen, and when it was first seen like this. */
  #seen: { readonly lease: Lease; readonly record: string; readonly atMs: number } | undefined;
  #renewedMs: number | undefined;
  /** Said once for each time that the API does not let us. */
  #complained = false;
  readonly #renewals = new Set<(sentMs: number, endedMs: number) => void>();

  constructor(options: LeaderElectionOptions) {
    this.#options = { ...DEFAULTS, ...options };
    const { leaseMs, renewDeadlineMs, retryMs } = this.#options;
    if (!(retryMs < renewDeadlineMs && renewDeadlineMs < leaseMs))
      throw new RangeError(`retryMs ${retryMs} < renewDeadlineMs ${renewDeadlineMs} < leaseMs ${leaseMs} must hold`);
  }

  /** Who holds the Lease, as last seen. */
  get leader(): string | undefined {
    return this.#seen?.lease.spec?.holderIdentity || undefined;
  }

  /** Called after every successful renewal: proof that the API took a write between the two times. */
  onRenewal(listener: (sentMs: number, endedMs: number) => void): void {
    this.#renewals.add(listener);
  }

  /** Waits for the Lease, leads, and waits again after it was lost, until the signal fires. Then gives the Lease back. */
  async run(lead: (term: Term) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#try(signal)) await this.#lead(lead, signal);
      await this.#pause(signal);
    }
  }

  async #lead(lead: (term: Term) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { log, identity } = this.#options;
    const term = new AbortController();
    const isLeading = () => !term.signal.aborted && this.#withinDeadline();
    log.info({ identity }, "leads");
    const renewing = this.#keep(term, signal);
    try {
      await lead({ signal: term.signal, isLeading });
    } catch (err) {
      log.error({ err }, "leading ended with an error");
    } finally {
      const held = isLeading();
      term.abort(new NotLeaderError("the term is over"));
      await renewing;
      log.info({ identity }, "leads no more");
      // Only when all work of the term has ended: else two could work at a time.
      if (held || signal.aborted) await this.#release();
      this.#renewedMs = undefined;
    }
  }

  /** Renews until the term ends; ends the term when renewing does not succeed in time. */
  async #keep(term: AbortController, signal: AbortSignal): Promise<void> {
    const { clock, renewDeadlineMs } = this.#options;
    const onShutdown = () => term.abort(new NotLeaderError("the process stops"));
    if (signal.aborted) onShutdown();
    signal.addEventListener("abort", onShutdown, { once: true });
    while (!term.signal.aborted) {
      const leftMs = (this.#renewedMs ?? 0) + renewDeadlineMs - clock.monotonicMs();
      const cancel = clock.schedule(leftMs, () => {
        if (!this.#withinDeadline()) term.abort(new NotLeaderError(`no renewal for ${renewDeadlineMs} ms`));
      });
      await this.#pause(term.signal);
      const held = term.signal.aborted || (await this.#try(term.signal));
      cancel();
      const lost = !held && this.leader !== undefined && this.leader !== this.#options.identity;
      if (lost || !this.#withinDeadline()) term.abort(new NotLeaderError(lost ? "another leads" : "renewals failed"));
    }
    signal.removeEventListener("abort", onShutdown);
  }

  #withinDeadline(): boolean {
    const { clock, renewDeadlineMs } = this.#options;
    return this.#renewedMs !== undefined && clock.monotonicMs() - this.#renewedMs < renewDeadlineMs;
  }

  /** One attempt to take or renew the Lease: true when this process holds it for sure. */
  async #try(signal: AbortSignal): Promise<boolean> {
    const { clock, log, renewDeadlineMs } = this.#options;
    const limit = deadline(clock, renewDeadlineMs, "renewing the Lease", signal);
    const sentMs = clock.monotonicMs();
    try {
      const held = await this.#takeOrRenew(limit.signal);
      this.#complained = false;
      if (!held) return false;
      this.#renewedMs = sentMs;
      for (const listener of this.#renewals) listener(sentMs, clock.monotonicMs());
      return true;
    } catch (err) {
      if (signal.aborted) return false;
      if (isConflict(err) || this.#complained) log.debug({ err }, "did not get the Lease");
      else log.warn({ err }, "cannot take or renew the leader's Lease");
      this.#complained ||= !isConflict(err);
      return false;
    } finally {
      limit.cancel();
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, clock, identity, namespace, name } = this.#options;
    const lease = await client.get(LEASES, { namespace, name }, signal).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (lease === undefined) {
      this.#see(await client.create(LEASES, { metadata: { namespace, name }, spec: this.#record(undefined) }, signal));
      return true;
    }
    const seen = this.#see(lease);
    const holder = lease.spec?.holderIdentity;
    const expiresMs = seen.atMs + (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
    if (holder && holder !== identity && clock.monotonicMs() < expiresMs) return false;
    this.#see(await client.update(LEASES, { ...lease, spec: this.#record(lease.spec) }, signal));
    return true;
  }

  /** Remembers the Lease; the moment moves only when its content has changed. */
  #see(lease: Lease): { readonly atMs: number } {
    const record = `${lease.metadata.uid} ${JSON.stringify(lease.spec)}`;
    const unchanged = this.#seen?.record === record;
    this.#seen = {
      lease,
      record,
      atMs: unchanged && this.#seen ? this.#seen.atMs : this.#options.clock.monotonicMs(),
    };
    return this.#seen;
  }

  #record(old: LeaseSpec | undefined): LeaseSpec {
    const { clock, identity, leaseMs } = this.#options;
    const now = formatMicroTime(clock.now());
    const mine = old?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: mine ? (old?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.leaseTransitions ?? 0) + (mine || old === undefined ? 0 : 1),
    };
  }

  /** Lets the next one start at once. When it fails, the Lease simply expires. */
  async #release(): Promise<void> {
    const { client, clock, log, identity, retryMs } = this.#options;
    const lease = this.#seen?.lease;
    if (lease?.spec?.holderIdentity !== identity) return;
    const limit = deadline(clock, retryMs, "releasing the Lease");
    const spec = { ...this.#record(lease.spec), holderIdentity: "", leaseDurationSeconds: 1 };
    try {
      this.#see(await client.update(LEASES, { ...lease, spec }, limit.signal));
    } catch (err) {
      log.debug({ err }, "could not release the Lease");
    } finally {
      limit.cancel();
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, random, retryMs } = this.#options;
    await sleep(clock, retryMs * (0.9 + 0.2 * random.next()), signal).catch(() => undefined); // only the signal rejects
  }
}

/**
 * A transport that refuses to write while `isLeading` is false. A process that was frozen may run any of its callbacks
 * before the timer that ends its term: this stops what they would send.
 */
export function fencedTransport(inner: Transport, isLeading: () => boolean): Transport {
  return async (request, signal) => {
    if (request.method !== "GET" && !isLeading())
      throw new NotLeaderError(`${request.method} ${request.path}: this process does not lead any more`);
    return inner(request, signal);
  };
}
