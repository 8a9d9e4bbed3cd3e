import { connected, type MembershipView, talks } from "./membership.ts";

/** A side that was sent away tries again after it: DRBD's own interval. */
const RETRY_MS = 3000;
/** A peer that lives answers within it; who goes on without it takes it out of the record. */
const MEET_MS = 10_000;
/** The helper picks up its answer and the kernel acts on it well within this time. */
const ANSWER_MS = 3000;

/**
 * How long each resource has been looking for its peer. It paces and spares, and nothing rests on it: a restart of the
 * agent begins anew.
 */
export class Meetings {
  readonly #nowMs: () => number;
  readonly #triedMs = new Map<string, number>();
  readonly #aloneSinceMs = new Map<string, number>();
  readonly #frozenSinceMs = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether a resource that stands alone is told to connect now. */
  mayConnect(name: string, view: MembershipView): boolean {
    const nowMs = this.#nowMs();
    if (connected(view.observed)) this.#aloneSinceMs.delete(name);
    else if (!this.#aloneSinceMs.has(name)) this.#aloneSinceMs.set(name, nowMs);
    // What is not up yet is not trying: nothing is to be spared.
    if (talks(view.observed) || view.observed.kernel === undefined) return true;
    const tried = this.#triedMs.get(name);
    if (tried !== undefined && nowMs - tried < RETRY_MS) return false;
    this.#triedMs.set(name, nowMs);
    return true;
  }

  /** Whether a device has been frozen without a question for so long that no answer can be under way any more. */
  isAbandoned(name: string, frozen: boolean): boolean {
    if (!frozen) {
      this.#frozenSinceMs.delete(name);
      return false;
    }
    const sinceMs = this.#frozenSinceMs.get(name) ?? this.#nowMs();
    this.#frozenSinceMs.set(name, sinceMs);
    return this.#nowMs() - sinceMs >= ANSWER_MS;
  }

  /** Whether a member has waited long enough for the other member to be promoted without it. */
  mayPromote(name: string, { entry, peer, observed }: MembershipView): boolean {
    if (observed.kernel?.role === "Primary" || connected(observed)) return true;
    if (entry?.members.includes(peer) !== true) return true;
    return this.#nowMs() - (this.#aloneSinceMs.get(name) ?? this.#nowMs()) >= MEET_MS;
  }
}
