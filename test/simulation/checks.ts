import type { HostPair, HostPairStatus } from "../../crds/generated/host-pair.ts";
import type { DrbdModel } from "../../executors/model/drbd.ts";
import type { ModelReplica } from "../../executors/model/replica.ts";
import { HOST_USER_PREFIX } from "../../crds/constants.ts";

/** A promise was broken: the run ends here. */
export class Violation extends Error {
  readonly promise: string;
  constructor(promise: string, message: string) {
    super(`${promise}: ${message}`);
    this.promise = promise;
  }
}

/** What the record must never say or become; the real API server refuses these writes. */
export function checkRecord(before: HostPairStatus | undefined, pair: HostPair, user: string): string | undefined {
  const after = pair.status;
  if (after === undefined) return before === undefined ? undefined : "the status was taken back";
  if (before !== undefined && JSON.stringify(before) === JSON.stringify(after)) return undefined;
  const host = user.slice(HOST_USER_PREFIX.length);
  if (after.decision.by !== host) return `${user} decides in the name of ${after.decision.by}`;
  if (before === undefined) return undefined;
  if (after.epoch !== before.epoch + 1) return `epoch went from ${before.epoch} to ${after.epoch}`;
  if (after.decision.nonce === before.decision.nonce) return "a nonce came twice";
  for (const entry of after.mirrors) {
    const old = before.mirrors.find(({ uid }) => uid === entry.uid);
    if (old === undefined) continue;
    if (entry.members.length === 0) return `${entry.name} has no member`;
    const grown = entry.members.some((member) => !old.members.includes(member));
    // After a restore of the store the record is written from what is proved, not from what it was.
    if (after.incarnation !== before.incarnation) continue;
    if (grown && old.primary !== host) return `${host} makes a member of ${entry.name} without being its primary`;
    if (entry.primary !== undefined && !old.members.includes(entry.primary))
      return `${entry.primary} becomes primary of ${entry.name} from outside`;
    if (entry.primary !== undefined && !entry.members.includes(entry.primary))
      return `the primary of ${entry.name} is no member`;
  }
  return undefined;
}

interface Acknowledged {
  readonly blocks: Set<number>;
  /** Who was promoted last. */
  active: { readonly host: string; readonly sinceMs: number } | undefined;
}

/** Promises 1 and 2, seen from outside: by writers, by readers, and by who promotes. */
export class Checks {
  readonly #model: () => DrbdModel;
  readonly #nowMs: () => number;
  readonly #record: (name: string) => HostPairStatus["mirrors"][number] | undefined;
  readonly #mirrors = new Map<string, Acknowledged>();
  readonly #roles = new WeakMap<ModelReplica, string>();
  readonly #report: (violation: Violation) => void;

  constructor(parts: {
    readonly model: () => DrbdModel;
    readonly nowMs: () => number;
    readonly record: (name: string) => HostPairStatus["mirrors"][number] | undefined;
    readonly report: (violation: Violation) => void;
  }) {
    this.#model = parts.model;
    this.#nowMs = parts.nowMs;
    this.#record = parts.record;
    this.#report = parts.report;
  }

  of(name: string): Acknowledged {
    const known = this.#mirrors.get(name) ?? { blocks: new Set<number>(), active: undefined };
    this.#mirrors.set(name, known);
    return known;
  }

  /** A writer was told that its write is done. */
  acknowledged(replica: ModelReplica, block: number): void {
    const known = this.of(replica.name);
    const { active } = known;
    if (active !== undefined && active.host !== replica.host && this.#record(replica.name)?.window === undefined)
      this.#report(
        new Violation(
          "promise 1",
          `${replica.name}: ${replica.host} acknowledged a write at ${this.#nowMs()} ms, ${active.host} was promoted at ${active.sinceMs} ms`,
        ),
      );
    known.blocks.add(block);
  }

  /** Mirrors whose only complete copy had a disk failure: nothing is promised for them any more. */
  readonly excused = new Set<string>();

  /** Called after every change of a replica's state. */
  changed(replica: ModelReplica): void {
    const members = this.#record(replica.name)?.members;
    if (replica.diskState === "Failed" && members?.length === 1 && members[0] === replica.host)
      this.excused.add(replica.name);
    const was = this.#roles.get(replica) ?? "Secondary";
    this.#roles.set(replica, replica.role);
    if (was !== "Primary" && replica.role === "Primary") this.#promoted(replica);
  }

  #promoted(replica: ModelReplica): void {
    const entry = this.#record(replica.name);
    this.of(replica.name).active = { host: replica.host, sinceMs: this.#nowMs() };
    if (entry === undefined) return; // the first generation is being made
    if (!entry.members.includes(replica.host))
      this.#report(
        new Violation(
          "membership",
          `${replica.name} was promoted on ${replica.host}, members are ${entry.members.join(", ")}`,
        ),
      );
    this.readable(replica);
  }

  /** Whatever was acknowledged can be read wherever the device can be used. */
  readable(replica: ModelReplica): void {
    const known = this.of(replica.name);
    if (known.active?.host !== replica.host) return; // who was overtaken may still answer reads until it notices
    const data = replica.readable(this.#model().peerOf(replica));
    if (data === undefined) return;
    const missing = [...known.blocks].filter((block) => !data.has(block));
    if (missing.length > 0 && !this.excused.has(replica.name))
      this.#report(
        new Violation(
          "promise 2",
          `${replica.name} on ${replica.host} (${replica.diskState}) lacks ${missing.length} acknowledged writes: ${missing.slice(0, 5).join(", ")}`,
        ),
      );
  }

  readAll(): void {
    for (const replica of this.#model().all()) this.readable(replica);
  }
}
