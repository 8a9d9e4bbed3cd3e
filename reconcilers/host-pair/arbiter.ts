import type { HostPair, HostPairStatus } from "../../crds/generated/host-pair.ts";
import { type Clock, formatTime, sleep } from "../../machinery/clock.ts";
import { OperatorError } from "../../machinery/errors.ts";
import { type Random, uuid } from "../../machinery/random.ts";
import type { Decision, Verdict } from "./decisions.ts";

/** Another write came first: read again and decide again. */
export class PairConflictError extends OperatorError {
  readonly reason = "Conflict";
}

/** The record itself; every read is a quorum read, never a cache. */
export interface PairStore {
  /** `undefined`: provably not there. Throws when the store does not answer. */
  read(pair: string, signal: AbortSignal): Promise<HostPair | undefined>;
  /** PUT of the status with the resourceVersion of `pair`. PairConflictError: not written. Any other error: unknown. */
  writeStatus(pair: HostPair, signal: AbortSignal): Promise<HostPair>;
}

export type Outcome =
  /** The record says what was decided, by our own write unless `unnecessary`. */
  { readonly kind: "won"; readonly status: HostPairStatus | undefined } | Refusal;

export interface Refusal {
  readonly kind: "refused";
  readonly reason: string;
  readonly message: string;
}

export interface Reading {
  /** `undefined`: provably not there. */
  readonly record: HostPair | undefined;
  /** Why nothing may be concluded from it: this host has seen a later one. */
  readonly past: Refusal | undefined;
}

export interface Decider {
  readonly hostName: string;
  readonly bootID: string;
}

/** How far this host has seen a record, on its own disk: what was decided is not undone by an older store. */
export interface PairMemory {
  recall(pair: string): Seen | undefined;
  /** Durable before it resolves. */
  remember(pair: string, seen: Seen): Promise<void>;
}

export interface Seen {
  readonly incarnation: string;
  readonly epoch: number;
}

const RETRY_MS = 500;

/** Name of the record of two hosts. */
export const pairName = (a: string, b: string): string => [a, b].toSorted().join(".");

/**
 * Brings one decision into the record by compare-and-set, and comes back only when the record answers: an unreachable
 * store is asked until `signal` fires. A write whose reply was lost is found again by its nonce.
 */
export class Arbiter {
  readonly #store: PairStore;
  readonly #me: Decider;
  readonly #memory: PairMemory;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(parts: {
    readonly store: PairStore;
    readonly me: Decider;
    readonly memory: PairMemory;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#store = parts.store;
    this.#me = parts.me;
    this.#memory = parts.memory;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /** The record now, by quorum. What is read is remembered: who never decides must not believe an older record later. */
  async read(pair: string, signal: AbortSignal): Promise<Reading> {
    // Before the read: a decision of ours that comes meanwhile makes an answer old, not the store.
    const seen = this.#memory.recall(pair);
    const record = await this.#store.read(pair, signal);
    const past = rollback(pair, record?.status, seen);
    if (past === undefined && record?.status !== undefined) await this.#remember(pair, record.status);
    return { record, past };
  }

  /** Takes a record of another incarnation for the present from now on; false: it is of the same, and merely old. */
  async believe({ metadata, status }: HostPair): Promise<boolean> {
    if (status === undefined || status.incarnation === this.#memory.recall(metadata.name)?.incarnation) return false;
    await this.#remember(metadata.name, status);
    return true;
  }

  /** Asks until the record answers; `signal` is the only way out before. */
  async decide(
    pair: string,
    decision: Decision,
    signal: AbortSignal,
    /** The record is of the past, and `decision` says what is proved instead: it gets a new incarnation. */
    { newLife = false } = {},
  ): Promise<Outcome> {
    const nonce = uuid(this.#random);
    let mayBeWritten = false;
    for (;;) {
      signal.throwIfAborted();
      const seen = this.#memory.recall(pair);
      const record = await this.#readUntilAnswered(pair, signal);
      if (record === undefined) return refusal("NoRecord", `HostPair ${pair} is not there`);
      if (record.status?.decision.nonce === nonce) return this.#won(pair, record.status);
      const rolledBack = rollback(pair, record.status, seen);
      if (rolledBack !== undefined && !newLife) return rolledBack;
      const verdict = decision(record.status);
      if (verdict.kind === "refused") return verdict;
      // A write of ours that is still on its way must not land after we said that none is needed.
      if (verdict.kind === "unnecessary" && !mayBeWritten) return this.#won(pair, record.status);
      try {
        const written = await this.#store.writeStatus(
          {
            ...record,
            status: this.#next(newLife ? undefined : record.status?.incarnation, record.status, verdict, nonce),
          },
          signal,
        );
        return await this.#won(pair, written.status);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        if (error instanceof PairConflictError) continue;
        mayBeWritten = true;
        await sleep(this.#clock, RETRY_MS, signal);
      }
    }
  }

  async #won(pair: string, status: HostPairStatus | undefined): Promise<Outcome> {
    if (status !== undefined) await this.#remember(pair, status);
    return { kind: "won", status };
  }

  #remember(pair: string, { incarnation, epoch }: HostPairStatus): Promise<void> {
    return this.#memory.remember(pair, { incarnation, epoch });
  }

  #next(
    incarnation = uuid(this.#random),
    status: HostPairStatus | undefined,
    verdict: Verdict,
    nonce: string,
  ): HostPairStatus {
    const { hostName, bootID } = this.#me;
    const decided = verdict.kind === "write" ? verdict : { mirrors: status?.mirrors ?? [], reason: "Confirmed" };
    return {
      epoch: (status?.epoch ?? 0) + 1,
      incarnation,
      mirrors: decided.mirrors,
      decision: { nonce, by: hostName, bootID, reason: decided.reason, time: formatTime(this.#clock.now()) },
    };
  }

  async #readUntilAnswered(pair: string, signal: AbortSignal): Promise<HostPair | undefined> {
    for (;;) {
      try {
        return await this.#store.read(pair, signal);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        await sleep(this.#clock, RETRY_MS, signal);
      }
    }
  }
}

const refusal = (reason: string, message: string): Refusal => ({ kind: "refused", reason, message });

/** A store that knows less than this host remembers was restored from the past: it decides nothing any more. */
export function rollback(
  pair: string,
  status: HostPairStatus | undefined,
  seen: Seen | undefined,
): Refusal | undefined {
  if (seen === undefined) return undefined;
  if (status !== undefined && status.incarnation === seen.incarnation && status.epoch >= seen.epoch) return undefined;
  const found = status === undefined ? "nothing" : `epoch ${status.epoch} of ${status.incarnation}`;
  return refusal(
    "StoreRolledBack",
    `HostPair ${pair} has ${found}, but this host has seen epoch ${seen.epoch} of ${seen.incarnation}`,
  );
}
