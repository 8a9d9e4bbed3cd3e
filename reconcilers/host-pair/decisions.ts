import type { HostPairMirror, HostPairStatus } from "../../crds/generated/host-pair.ts";

/**
 * The decisions that two hosts take about the mirrors between them, as pure functions of the record.
 * Terms: a *member* holds every acknowledged write; the *primary* is the member that may write. A host that is not a
 * member is never promoted; a decision that did not reach the record was not taken.
 */
export interface MirrorId {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export type Verdict =
  /** The record should say this; `reason` is one CamelCase word for people. */
  | { readonly kind: "write"; readonly mirrors: readonly HostPairMirror[]; readonly reason: string }
  /** The record says it already. */
  | { readonly kind: "unnecessary" }
  /** It may not be; asking again helps only after the record has changed. */
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };

/** `undefined`: the pair has no record yet. */
export type Decision = (status: HostPairStatus | undefined) => Verdict;

/** The decision was made for an earlier record: look again, and decide again. */
export const RECORD_HAS_CHANGED = "RecordHasChanged";

const unnecessary: Verdict = { kind: "unnecessary" };
const refused = (reason: string, message: string): Verdict => ({ kind: "refused", reason, message });
const label = (mirror: MirrorId): string => `${mirror.namespace}/${mirror.name}`;

const entryOf = (status: HostPairStatus | undefined, mirror: MirrorId): HostPairMirror | undefined =>
  status?.mirrors.find((entry) => entry.uid === mirror.uid);

const change = (
  status: HostPairStatus | undefined,
  reason: string,
  edit: (entry: HostPairMirror) => HostPairMirror,
): Verdict => ({ kind: "write", reason, mirrors: (status?.mirrors ?? []).map(edit) });

/** Changes one entry and leaves the others alone. */
const changeOne = (
  status: HostPairStatus | undefined,
  mirror: MirrorId,
  reason: string,
  edit: (entry: HostPairMirror) => HostPairMirror,
): Verdict => change(status, reason, (entry) => (entry.uid === mirror.uid ? edit(entry) : entry));

const notAMember = (mirror: MirrorId, host: string, entry: HostPairMirror | undefined): Verdict =>
  refused(
    "NotAMember",
    entry === undefined
      ? `${label(mirror)} has no first data generation yet`
      : `${host} does not hold every acknowledged write of ${label(mirror)}; ${entry.members.join(" and ")} does`,
  );

/** The first data generation is on `me`: the record begins with `me` as its only member. */
export function registerFirst(mirror: MirrorId, me: string, dataUUID: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry !== undefined) return entry.members.includes(me) ? unnecessary : notAMember(mirror, me, entry);
    const { namespace, name, uid } = mirror;
    return {
      kind: "write",
      reason: "FirstGeneration",
      mirrors: [...(status?.mirrors ?? []), { namespace, name, uid, members: [me], dataUUID }],
    };
  };
}

/** `me` is about to promote; only a member may, and only while the other side is not primary. */
export function claimPrimary(mirror: MirrorId, me: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (!entry?.members.includes(me)) return notAMember(mirror, me, entry);
    if (entry.primary === me) return unnecessary;
    if (entry.primary !== undefined)
      return refused("PeerIsPrimary", `${label(mirror)} is primary on ${entry.primary}, which has not given it up`);
    return changeOne(status, mirror, "Promoted", (old) => ({ ...old, primary: me }));
  };
}

/**
 * `me` has demoted, and saw that it did. `to`: it is the other member that is Primary in its kernel, and writes: a record
 * without a primary would say that nobody does.
 */
export function releasePrimary(mirror: MirrorId, me: string, to?: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry?.primary !== me) return unnecessary;
    const next = to !== undefined && entry.members.includes(to) ? { primary: to } : {};
    return changeOne(status, mirror, "Demoted", ({ primary: _, ...rest }) => ({ ...rest, ...next }));
  };
}

/**
 * `out` may lack a write from now on. Never "unnecessary": the write itself kills a grow that is still on its way.
 * The last member cannot leave: its data is all there is.
 */
export function shrink(mirror: MirrorId, me: string, out: string, reason: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry === undefined) return unnecessary;
    if (out !== me && !entry.members.includes(me)) return notAMember(mirror, me, entry);
    const members = entry.members.filter((host) => host !== out);
    if (members.length === 0) return refused("LastMember", `${out} holds the only copy of ${label(mirror)}`);
    return changeOne(status, mirror, reason, ({ window: _, ...old }) => {
      const { primary, ...rest } = old;
      return { ...rest, members, ...(primary === undefined || primary === out ? {} : { primary }) };
    });
  };
}

/**
 * `me` has restarted. A peer that is frozen would let go what waits there as soon as it meets `me`, on its side alone: a member
 * stays one, and meets nobody before the peer has gone on without it or has said that nothing waits (`answerRestart`). The
 * peer may not even have noticed, and would take a connection of before for one of now: who is out is not taken in before
 * it has said that it has `met`. The write itself kills a grow that is still on its way.
 */
export function restarted(mirror: MirrorId, me: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry === undefined || isRestarted(entry, me)) return unnecessary;
    return changeOne(status, mirror, "Restarted", ({ window: _, ...old }) => ({
      ...old,
      restarted: [...(old.restarted ?? []), me].toSorted(),
    }));
  };
}

/** `me` is not Primary and not connected to `peer`, which has restarted: nothing waits here, both may meet as they are. */
export function answerRestart(mirror: MirrorId, me: string, peer: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry === undefined || !isRestarted(entry, peer)) return unnecessary;
    if (!entry.members.includes(me)) return notAMember(mirror, me, entry);
    return changeOne(status, mirror, "NothingWaits", (old) => withoutRestart(old, peer));
  };
}

function withoutRestart({ restarted: hosts = [], ...rest }: HostPairMirror, host: string): HostPairMirror {
  const others = hosts.filter((each) => each !== host);
  return others.length === 0 ? rest : { ...rest, restarted: others };
}

export const isRestarted = (entry: HostPairMirror, host: string): boolean => entry.restarted?.includes(host) === true;

/** `me` has met the peer since it restarted: by its own look, both disks are UpToDate. */
export function met(mirror: MirrorId, me: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry === undefined || !isRestarted(entry, me)) return unnecessary;
    return changeOne(status, mirror, "Met", (old) => withoutRestart(old, me));
  };
}

/**
 * The link to `peer` broke while `me` was primary of `mirror`: go on alone, with all mirrors of the pair that `me` is
 * primary of. Refused when the other side has been faster. An entry without primary is taken too: that is
 * `claimPrimary` and `shrink` in one write, each of which `me` may do, and whichever write of two comes first wins. A
 * kernel is Primary without the record only between its first generation and its claim. `behind`: uids of mirrors whose copy
 * here may lack a write; of those `peer` may be the one that holds everything.
 */
export function winAlone(mirror: MirrorId, me: string, behind: ReadonlySet<string> = new Set()): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (!entry?.members.includes(me)) return notAMember(mirror, me, entry);
    if (entry.primary !== undefined && entry.primary !== me)
      return refused("NotPrimary", `the record names ${entry.primary} as primary of ${label(mirror)}, not ${me}`);
    return change(status, "PeerLost", (old) => {
      const mine = old.uid === mirror.uid || (old.primary === me && !behind.has(old.uid));
      if (!mine || !old.members.includes(me)) return old;
      const { window: _, ...rest } = old;
      return { ...rest, members: [me], primary: me };
    });
  };
}

/**
 * `peer` has everything again: only the primary of the record may say so, after it saw both disks UpToDate and connected.
 * It need not be Primary in its kernel: as long as both are connected, whoever writes there writes to both, and nobody
 * else could be promoted; `writer` is the one that does, and becomes the record's primary. `epoch` is the record's as it was read before that look: a decision since then may be that
 * the peer was lost after it.
 */
export function grow(mirror: MirrorId, me: string, peer: string, epoch: number, writer = me): Decision {
  return (status) => {
    if (status?.epoch !== epoch)
      return refused(RECORD_HAS_CHANGED, `the record is at epoch ${status?.epoch ?? 0}, it was at ${epoch}`);
    const entry = entryOf(status, mirror);
    if (!entry?.members.includes(me)) return notAMember(mirror, me, entry);
    if (entry.members.includes(peer)) return unnecessary;
    if (entry.discarded?.includes(peer) === true)
      return refused("GivenUp", `the copy on ${peer} was given up by a person, and has not begun anew`);
    if (isRestarted(entry, peer))
      return refused("NotMetSinceRestart", `${peer} has restarted and not said that it has met ${me} since`);
    if (entry.primary !== me)
      return refused("NotPrimary", `only the primary of ${label(mirror)} may take ${peer} back in`);
    return changeOne(status, mirror, "PeerInSync", (old) => ({
      ...old,
      members: [...old.members, peer].toSorted(),
      primary: writer,
    }));
  };
}

/**
 * `me` takes over every mirror of the pair that `peer` is primary of, all or none. `epoch` is the record's at the time
 * of the order: any decision since then makes the order void.
 */
export function takeOver(me: string, peer: string, epoch: number): Decision {
  return (status) => {
    if (status === undefined || status.epoch !== epoch)
      return refused("OrderIsOld", `the order was given for epoch ${epoch}, the record is at ${status?.epoch ?? 0}`);
    const group = status.mirrors.filter((entry) => entry.primary === peer);
    if (group.length === 0) return unnecessary;
    const lacking = group.find((entry) => !entry.members.includes(me));
    if (lacking !== undefined) return notAMember(lacking, me, lacking);
    return change(status, "TookOver", (old) => {
      if (old.primary !== peer) return old;
      const { window: _, ...rest } = old;
      return { ...rest, members: [me], primary: me };
    });
  };
}

/** Opens the only time in which both hosts may be primary: both must hold everything. */
export function openWindow(mirror: MirrorId, from: string, to: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry?.window?.from === from && entry.window.to === to) return unnecessary;
    if (entry?.primary !== from) return refused("NotPrimary", `${label(mirror)} is not primary on ${from}`);
    if (!entry.members.includes(to)) return notAMember(mirror, to, entry);
    return changeOne(status, mirror, "WindowOpened", (old) => ({ ...old, window: { from, to } }));
  };
}

/** Ends the window with one primary: `primary` is the host where the guest runs now. */
export function closeWindow(mirror: MirrorId, primary: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry?.window === undefined) return unnecessary;
    if (!entry.members.includes(primary)) return notAMember(mirror, primary, entry);
    return changeOne(status, mirror, "WindowClosed", ({ window: _, ...old }) => ({ ...old, primary }));
  };
}

/** `me`, the only member, knows that it may lack writes, and its disk takes part in nothing: nobody goes on by itself. */
export function doubt(mirror: MirrorId, me: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry?.members.join() !== me || entry.inDoubt === true) return unnecessary;
    return changeOne(status, mirror, "InDoubt", ({ window: _, ...old }) => ({ ...old, inDoubt: true }));
  };
}

/** `me`, the only member, has proved since that it lacks nothing. */
export function endDoubt(mirror: MirrorId, me: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry?.members.join() !== me || entry.inDoubt !== true) return unnecessary;
    return changeOne(status, mirror, "DoubtEnded", ({ inDoubt: _, ...old }) => old);
  };
}

/** A person said, of exactly the record of `epoch`, that `me` holds the copy that counts: the one of `peer` begins anew. */
export function trusted(mirror: MirrorId, me: string, peer: string, epoch: number): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (status?.epoch !== epoch || entry?.inDoubt !== true)
      return refused(
        RECORD_HAS_CHANGED,
        `the word was given for epoch ${epoch}, the record is at ${status?.epoch ?? 0}`,
      );
    return changeOne(status, mirror, "Trusted", ({ inDoubt: _, restarted: __, primary, ...old }) => ({
      ...old,
      members: [me],
      discarded: [peer],
      ...(primary === me ? { primary } : {}),
    }));
  };
}

/** The copy of `me` that a person gave up is made anew: nothing of what it held can come back. */
export function begunAnew(mirror: MirrorId, me: string): Decision {
  return (status) => {
    const entry = entryOf(status, mirror);
    if (entry?.discarded?.includes(me) !== true) return unnecessary;
    return changeOne(status, mirror, "BegunAnew", ({ discarded: _, ...old }) => old);
  };
}

/** After a restore of the store: what the kernel or a person proves, instead of exactly this record. */
export function beginLife(read: HostPairStatus, mirrors: readonly HostPairMirror[]): Decision {
  return (status) =>
    status?.incarnation === read.incarnation && status.epoch === read.epoch
      ? { kind: "write", reason: "StoreRestored", mirrors }
      : refused(RECORD_HAS_CHANGED, `the record is at epoch ${status?.epoch ?? 0}, it was at ${read.epoch}`);
}

/** The mirror is gone from this side: the record forgets it. */
export function forget(mirror: MirrorId): Decision {
  return (status) => {
    if (entryOf(status, mirror) === undefined) return unnecessary;
    const mirrors = (status?.mirrors ?? []).filter((entry) => entry.uid !== mirror.uid);
    return { kind: "write", reason: "MirrorDeleted", mirrors };
  };
}
