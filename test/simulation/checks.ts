import type { HostPair, HostPairStatus } from "../../crds/generated/host-pair.ts";
import type { DrbdModel } from "../../executors/model/drbd.ts";
import { type ModelReplica, rank } from "../../executors/model/replica.ts";
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
  const { trust } = pair.spec;
  if (after.decision.reason === "Trusted" && (trust?.hostName !== host || trust.epoch !== before.epoch))
    return `${host} decides by an administrator's word that was not given for epoch ${before.epoch}`;
  for (const entry of after.mirrors) {
    const old = before.mirrors.find(({ uid }) => uid === entry.uid);
    if (old === undefined) continue;
    if (entry.members.length === 0) return `${entry.name} has no member`;
    const grown = entry.members.some((member) => !old.members.includes(member));
    // After a restore of the store the record is written from what is proved, not from what it was.
    if (after.incarnation !== before.incarnation) continue;
    if (grown && old.primary !== host && old.inDoubt !== true)
      return `${host} makes a member of ${entry.name} without being its primary`;
    // A host that is taken in by the primary may be named as primary at once: it is the one that writes.
    if (entry.primary !== undefined && !grown && !old.members.includes(entry.primary))
      return `${entry.primary} becomes primary of ${entry.name} from outside`;
    if (entry.primary !== undefined && !entry.members.includes(entry.primary))
      return `the primary of ${entry.name} is no member`;
  }
  return undefined;
}

/** What was under way when a disk failed is answered within it. */
const UNDER_WAY_MS = 1000;

interface Mirrored {
  /** Every write that its writer was told is done. */
  readonly blocks: Set<number>;
  /** How many these ever were. */
  acknowledged: number;
  /** Who was promoted last. */
  active:
    | {
        readonly host: string;
        readonly sinceMs: number;
        /** What its disk held then: the answer to such a write may come late. */
        readonly held: ReadonlySet<number>;
      }
    | undefined;
  /** Both sides were connected and UpToDate since a member left. */
  whole: boolean;
}

/** One host's copy of a mirror, as the checks look at it. */
export interface Copy {
  readonly blocks: ReadonlySet<number>;
  /**
   * The host itself knows, durably or by what its kernel says now, that this copy may lack writes: it promotes it under
   * no circumstances, whatever the record says.
   */
  readonly knownBehind: boolean;
  /** The power went between the disk's failure and its tombstone: what docs/safety.md says remains. */
  readonly failedUnmarked: boolean;
}

/** Promises 1 and 2, and what they rest on, seen from outside: at every answered write, every change and every record. */
export class Checks {
  readonly #model: () => DrbdModel;
  readonly #nowMs: () => number;
  readonly #record: (name: string) => HostPairStatus["mirrors"][number] | undefined;
  readonly #copy: (host: string, name: string) => Copy;
  readonly #mirrors = new Map<string, Mirrored>();
  readonly #roles = new WeakMap<ModelReplica, string>();
  /** Since when a replica has had no disk that it writes to. */
  readonly #failedMs = new WeakMap<ModelReplica, number>();
  readonly #report: (violation: Violation) => void;
  /** Orders to take over that were ever given, as `host epoch`. */
  readonly #orders = new Set<string>();
  /** Writes that were answered with success although no disk of a member held them: the last disk was failing. */
  excused = 0;
  /** Writes that only the copy had which an administrator gave up. */
  givenUp = 0;

  constructor(parts: {
    readonly model: () => DrbdModel;
    readonly nowMs: () => number;
    readonly record: (name: string) => HostPairStatus["mirrors"][number] | undefined;
    readonly copy: (host: string, name: string) => Copy;
    readonly report: (violation: Violation) => void;
  }) {
    this.#model = parts.model;
    this.#nowMs = parts.nowMs;
    this.#record = parts.record;
    this.#copy = parts.copy;
    this.#report = parts.report;
  }

  #violated(promise: string, message: string): void {
    this.#report(new Violation(promise, message));
  }

  of(name: string): Mirrored {
    const known = this.#mirrors.get(name) ?? {
      blocks: new Set<number>(),
      acknowledged: 0,
      active: undefined,
      whole: false,
    };
    this.#mirrors.set(name, known);
    return known;
  }

  /** A writer was told that its write is done. */
  acknowledged(replica: ModelReplica, block: number): void {
    const { name, host } = replica;
    const known = this.of(name);
    const { active } = known;
    const entry = this.#record(name);
    if (active !== undefined && active.host !== host && entry?.window === undefined && !active.held.has(block))
      this.#violated(
        "promise 1",
        `${name}: ${host} acknowledged a write at ${this.#nowMs()} ms, ${active.host} was promoted at ${active.sinceMs} ms`,
      );
    if (entry !== undefined && this.#isExcused(replica, entry.members, block)) {
      this.excused++;
      return;
    }
    known.blocks.add(block);
    known.acknowledged++;
    for (const member of entry?.members ?? []) this.#holds(member, name, [block]);
  }

  /**
   * The only member's disk fails while it is written to, by its own host or by one that it resyncs: DRBD answers a write
   * that only a peer outside the members has. That one write is nobody's; all before it must be there when the disk works
   * again.
   */
  #isExcused({ name, host, diskState }: ModelReplica, members: readonly string[], block: number): boolean {
    const [only, ...others] = members;
    const holder = only === undefined ? undefined : this.#model().kernel(only).get(name);
    if (holder === undefined || others.length > 0) return false;
    if (holder.host !== host && diskState !== "Inconsistent") return false;
    if (this.#nowMs() - (this.#failedMs.get(holder) ?? Number.NEGATIVE_INFINITY) > UNDER_WAY_MS) return false;
    return rank(holder.diskState) < rank("Inconsistent") && !this.#copy(holder.host, name).blocks.has(block);
  }

  /** A member holds every acknowledged write, unless it knows itself that it may not. */
  #holds(host: string, name: string, blocks: Iterable<number>): void {
    const copy = this.#copy(host, name);
    const missing: number[] = [];
    for (const block of blocks) if (!copy.blocks.has(block)) missing.push(block);
    if (missing.length === 0 || copy.knownBehind || copy.failedUnmarked) return;
    this.#violated(
      "membership",
      `${host} is a member of ${name} and lacks ${missing.length} acknowledged writes: ${missing.slice(0, 5).join(", ")}`,
    );
  }

  /** Called after every change of a replica's state. */
  changed(replica: ModelReplica): void {
    const { name, host } = replica;
    this.#seeWhole(replica);
    if (replica.replication === "SyncTarget" && this.#record(name)?.members.includes(host) === true)
      this.#violated("membership", `${host} is overwritten by a resync of ${name} while it is a member`);
    const works = rank(replica.diskState) >= rank("Inconsistent");
    if (works) this.#failedMs.delete(replica);
    else if (!this.#failedMs.has(replica)) this.#failedMs.set(replica, this.#nowMs());
    const was = this.#roles.get(replica) ?? "Secondary";
    this.#roles.set(replica, replica.role);
    if (was !== "Primary" && replica.role === "Primary") this.#promoted(replica);
  }

  #seeWhole({ name, net, diskState, peerDisk, replication }: ModelReplica): void {
    if (net === "Connected" && replication === "Established" && diskState === "UpToDate" && peerDisk === "UpToDate")
      this.of(name).whole = true;
  }

  #promoted(replica: ModelReplica): void {
    const entry = this.#record(replica.name);
    const held = new Set(this.#copy(replica.host, replica.name).blocks);
    this.of(replica.name).active = { host: replica.host, sinceMs: this.#nowMs(), held };
    if (entry === undefined) return; // the first generation is being made
    if (!entry.members.includes(replica.host))
      this.#violated(
        "membership",
        `${replica.name} was promoted on ${replica.host}, members are ${entry.members.join(", ")}`,
      );
    this.readable(replica);
  }

  /** Whatever was acknowledged can be read wherever the device can be used. */
  readable(replica: ModelReplica): void {
    const { name, host } = replica;
    const known = this.of(name);
    if (known.active?.host !== host) return; // who was overtaken may still answer reads until it notices
    const data = replica.readable(this.#model().peerOf(replica));
    if (data === undefined) return;
    const missing: number[] = [];
    for (const block of known.blocks) if (!data.has(block)) missing.push(block);
    if (missing.length > 0 && this.#copy(host, name).failedUnmarked) this.#lose(name, host, missing);
    else if (missing.length > 0)
      this.#violated(
        "promise 2",
        `${name} on ${host} (${replica.diskState}) lacks ${missing.length} acknowledged writes: ${missing.slice(0, 5).join(", ")}`,
      );
  }

  /** A disk failed and the power went before that was marked anywhere: once it is the only member, its writes are gone. */
  #lose(name: string, host: string, missing: readonly number[]): void {
    if (this.#record(name)?.members.join() !== host) return;
    for (const block of missing) this.of(name).blocks.delete(block);
    this.excused += missing.length;
  }

  /** An order to take over, as it was written for a host. */
  ordered(host: string, epoch: number): void {
    this.#orders.add(`${host} ${epoch}`);
  }

  /** After every write of the record that was taken. */
  recorded(before: HostPairStatus | undefined, after: HostPairStatus): void {
    for (const entry of after.mirrors) {
      const old = before?.mirrors.find(({ uid }) => uid === entry.uid);
      const { name } = entry;
      const trusted = old?.inDoubt === true && after.decision.reason === "Trusted" && entry.inDoubt !== true;
      if (trusted) this.#giveUp(name, entry.members);
      if (
        entry.inDoubt === true &&
        old?.inDoubt !== true &&
        !entry.members.every((host) => this.#copy(host, name).knownBehind)
      )
        this.#violated("doubt", `${name} is in doubt although ${entry.members.join()} knows of nothing that it lacks`);
      const joined = entry.members.filter((host) => old !== undefined && !old.members.includes(host));
      if (joined.length > 0 && !trusted && !this.of(name).whole)
        this.#violated("membership", `${joined.join()} became a member of ${name} before both disks were UpToDate`);
      if (old?.members.some((host) => !entry.members.includes(host)) === true) {
        this.of(name).whole = false;
        for (const replica of this.#model().all()) if (replica.name === name) this.#seeWhole(replica);
      }
      if (after.decision.reason === "TookOver" && entry.primary !== old?.primary)
        this.#tookOver(name, after.decision.by, before?.epoch ?? 0);
      for (const host of entry.members) this.#holds(host, name, this.of(name).blocks);
    }
  }

  /** An administrator, asked by a condition, said which copy counts: what only the other one has is gone by that word. */
  #giveUp(name: string, members: readonly string[]): void {
    const known = this.of(name);
    for (const block of known.blocks) {
      if (members.every((host) => this.#copy(host, name).blocks.has(block))) continue;
      known.blocks.delete(block);
      this.givenUp++;
    }
  }

  #tookOver(name: string, host: string, epoch: number): void {
    const replica = this.#model().kernel(host).get(name);
    // Nothing gets through to a machine that went down while its decision was on the way.
    if (replica !== undefined && replica.net !== "StandAlone")
      this.#violated("takeover", `${host} took ${name} over while its link was ${replica.net}, not cut`);
    if (this.#copy(host, name).knownBehind)
      this.#violated("takeover", `${host} took ${name} over with a copy that it knows may lack writes`);
    const members = this.#record(name)?.members ?? [];
    if (members.join() !== host)
      this.#violated("takeover", `${host} took ${name} over and left ${members.join(" and ")} as its members`);
    if (!this.#orders.has(`${host} ${epoch}`))
      this.#violated("takeover", `${host} took ${name} over at epoch ${epoch}, which nobody ordered`);
  }

  /** All that can be looked at at any time. */
  readAll(names: readonly string[]): void {
    for (const replica of this.#model().all()) this.readable(replica);
    for (const name of names)
      for (const host of this.#record(name)?.members ?? []) this.#holds(host, name, this.of(name).blocks);
  }

  /** When everything has been mended and had its time, no member may be one in name only. */
  settled(names: readonly string[]): void {
    for (const name of names)
      for (const host of this.#record(name)?.members ?? [])
        if (this.#copy(host, name).knownBehind)
          this.#violated(
            "membership",
            `${host} is still a member of ${name} although it knows that it may lack writes`,
          );
  }
}
