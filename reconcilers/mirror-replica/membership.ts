import type { HostPairMirror } from "../../crds/generated/host-pair.ts";
import { isAttached, type ObservedReplica } from "../../executors/drbd/observe.ts";
import type { ResourceState } from "../../executors/drbd/state.ts";
import * as decisions from "../host-pair/decisions.ts";
import type { MirrorId } from "../host-pair/decisions.ts";

/** What this side sees and is asked for, as far as membership goes. */
export interface MembershipView {
  readonly mirror: MirrorId;
  readonly me: string;
  readonly peer: string;
  /** The mirror's entry in the record; `undefined`: no first generation yet. */
  readonly entry: HostPairMirror | undefined;
  /** The record's, as it was read before `observed` was looked at. */
  readonly epoch: number;
  readonly observed: ObservedReplica;
  /** This side begins the first generation. */
  readonly beginsFirstGeneration: boolean;
  /** This copy may lack a write, whatever DRBD says of its disk now. */
  readonly lags: boolean;
  /** The disk here failed a write, and has not begun anew. */
  readonly diskFailed: boolean;
  /** This process has recorded the restart of this host. */
  readonly toldRestart: boolean;
  readonly wanted: { readonly role: "Primary" | "Secondary"; readonly connect: boolean };
}

/** A decision that the record needs before anything else is done, and why. */
export interface NeededDecision {
  readonly why: string;
  readonly decision: decisions.Decision;
  /** Won, the copy here counts as it is, whatever its disk failed. */
  readonly settlesDoubt?: boolean;
  /** It tells of a restart of this host. */
  readonly tellsRestart?: boolean;
  /** Refused, it holds up nothing but the promotion. */
  readonly onlyForPromotion?: boolean;
}

export const connected = ({ kernel }: ObservedReplica): boolean => kernel?.connection?.state === "Connected";
const ownUpToDate = ({ kernel }: ObservedReplica): boolean => kernel?.device?.diskState === "UpToDate";

/**
 * The next decision to bring into the record, one at a time, the ones that take a host out first: a member must hold
 * every acknowledged write, so whoever may lack one leaves before anything goes on. `undefined`: the record fits.
 */
export function neededDecision(view: MembershipView): NeededDecision | undefined {
  return view.entry === undefined ? first(view) : (leave(view, view.entry) ?? join(view, view.entry));
}

function first(view: MembershipView): NeededDecision | undefined {
  const { observed, mirror, me } = view;
  // Connected: after a lost record, a copy that fell behind long ago must not declare itself the first.
  if (!view.beginsFirstGeneration || !ownUpToDate(observed) || !connected(observed)) return undefined;
  if (observed.currentUUID === undefined) return undefined;
  return {
    why: `record ${me} as the first member`,
    decision: decisions.registerFirst(mirror, me, observed.currentUUID),
  };
}

function leave(view: MembershipView, entry: HostPairMirror): NeededDecision | undefined {
  const { mirror, me, peer, observed, wanted } = view;
  const { kernel } = observed;
  if (kernel?.device !== undefined && mayHaveMissed(view, entry))
    return {
      why: `record that ${me} has restarted: ${peer} may hold writes that wait`,
      decision: decisions.restarted(mirror, me),
      tellsRestart: true,
    };
  if (!bothIn(view, entry) || kernel?.device === undefined) return undefined;
  if (view.lags)
    return {
      why: `take ${me} out: its disk was not up to date`,
      decision: decisions.shrink(mirror, me, me, "DiskWasNotUpToDate"),
    };
  if (!isAttached(kernel) || kernel.device.diskState === "Inconsistent" || kernel.device.diskState === "Outdated")
    return {
      why: `take ${me} out: its disk is ${kernel.device.diskState}`,
      decision: decisions.shrink(mirror, me, me, "DiskNotUpToDate"),
    };
  // The kernel freezes a primary that loses its peer until that is decided: a hand has released it (`resume-io`).
  if (writesAlone(observed))
    return {
      why: `take ${peer} out: ${me} is written alone`,
      decision: decisions.shrink(mirror, me, peer, "WrittenAlone"),
    };
  const peerDisk = kernel.connection?.peerDiskState;
  if (connected(observed) && isBehind(kernel.connection))
    return {
      why: `take ${peer} out: its disk is ${peerDisk}`,
      decision: decisions.shrink(mirror, me, peer, "PeerDiskNotUpToDate"),
    };
  if (kernel.role === "Primary" && differs(observed))
    return {
      why: `take ${peer} out: the two copies differ`,
      decision: decisions.shrink(mirror, me, peer, "CopiesDiffer"),
    };
  if (wanted.connect || kernel.connection === undefined || kernel.connection.state === "StandAlone") return undefined;
  const out = kernel.role === "Primary" ? peer : me;
  return {
    why: `take ${out} out before the planned disconnect`,
    decision: decisions.shrink(mirror, me, out, "PlannedDisconnect"),
  };
}

/** Merely Consistent is a peer of which nothing is known yet, unless it waits for being overwritten: writes go past it then. */
const isBehind = (connection: ResourceState["connection"]): boolean =>
  connection?.peerDiskState === "Consistent"
    ? SOURCE.has(connection.replication)
    : connection?.peerDiskState !== "UpToDate" && connection?.peerDiskState !== "DUnknown";
const SOURCE = new Set(["WFBitMapS", "SyncSource", "PausedSyncS", "StartingSyncS"]);

/**
 * Not met since the boot, and about to try: unless this side is the primary, the peer may be it, or may become it by a connection
 * of before. An only member has nobody to have missed anything from.
 */
function mayHaveMissed({ me, observed, wanted, toldRestart }: MembershipView, entry: HostPairMirror): boolean {
  if (toldRestart || entry.primary === me || isOnlyMember(entry, me) || decisions.isRestarted(entry, me)) return false;
  return wanted.connect && isFresh(observed);
}

/** Attached since the boot, and has not met its peer yet. */
export const isFresh = (observed: ObservedReplica): boolean =>
  observed.kernel?.device?.diskState === "Consistent" && !talks(observed);

function join(view: MembershipView, entry: HostPairMirror): NeededDecision | undefined {
  const { mirror, me, peer, observed, wanted } = view;
  const { kernel } = observed;
  if (kernel?.device === undefined) return undefined;
  const alone = isOnlyMember(entry, me);
  if (
    wanted.role === "Secondary" &&
    kernel.role === "Secondary" &&
    entry.primary === me &&
    !alone &&
    ownUpToDate(observed)
  )
    return {
      why: `record that ${me} gave up being primary`,
      decision: decisions.releasePrimary(mirror, me, kernel.connection?.peerRole === "Primary" ? peer : undefined),
    };
  if (isWhole(observed) && decisions.isRestarted(entry, me))
    return { why: `record that ${me} has met ${peer}`, decision: decisions.met(mirror, me) };
  if (view.lags) return undefined;
  if (decisions.isRestarted(entry, peer) && bothIn(view, entry) && kernel.role !== "Primary" && !connected(observed))
    return {
      why: `let ${peer}, which has restarted, meet ${me}: nothing waits here`,
      decision: decisions.answerRestart(mirror, me, peer),
    };
  // Only a primary can take the other side in again: the only member becomes it, whoever is wanted in the end.
  if ((wanted.role === "Primary" || (alone && entry.primary === undefined)) && entry.primary !== me)
    return {
      why: `claim the primary role for ${me}`,
      decision: decisions.claimPrimary(mirror, me),
      onlyForPromotion: true,
    };
  const writer = kernel.role !== "Primary" && kernel.connection?.peerRole === "Primary" ? peer : me;
  if (isWhole(observed) && (kernel.role === "Primary" || alone) && mayGrow(view, entry))
    return {
      why: `take ${peer} in: both disks are UpToDate`,
      decision: decisions.grow(mirror, me, peer, view.epoch, writer),
    };
  return undefined;
}

/**
 * A comparison found blocks that differ. DRBD marks them, calls both disks UpToDate all the same, and repairs nothing before the
 * two sides meet again.
 */
export const differs = (observed: ObservedReplica): boolean =>
  connected(observed) &&
  ownUpToDate(observed) &&
  observed.kernel?.connection?.replication === "Established" &&
  observed.kernel.connection.peerDiskState === "UpToDate" &&
  observed.kernel.connection.outOfSyncBytes > 0;

const isWhole = (observed: ObservedReplica): boolean =>
  ownUpToDate(observed) &&
  connected(observed) &&
  observed.kernel?.connection?.replication === "Established" &&
  observed.kernel.connection.peerDiskState === "UpToDate" &&
  !differs(observed);

/** What this side sees of a peer that has restarted may be a connection of before: the peer has its word first. */
const mayGrow = ({ me, peer }: MembershipView, entry: HostPairMirror): boolean =>
  entry.primary === me && !entry.members.includes(peer) && !decisions.isRestarted(entry, peer);

/** What the record allows of what the spec asks. */
export function allowedRole(view: MembershipView): "Primary" | "Secondary" {
  const { entry, me, observed, wanted } = view;
  const isPrimary = observed.kernel?.role === "Primary";
  // It became the only member when its disk had failed already: the others may have more.
  if (view.lags && !isPrimary) return "Secondary";
  if (entry !== undefined && entry.primary === me && isOnlyMember(entry, me)) {
    // Before it meets anybody it makes a data generation of its own, so that a frozen former primary cannot go on with it.
    if (isPrimary || !connected(observed)) return "Primary";
    return wanted.role;
  }
  if (wanted.role === "Secondary" || isLoser(view)) return "Secondary";
  if (entry?.primary === me && entry.members.includes(me)) return "Primary";
  // Never demoted for a missing record: what runs, runs; only promotion needs leave.
  return isPrimary ? "Primary" : "Secondary";
}

const writesAlone = (observed: ObservedReplica): boolean =>
  observed.kernel?.role === "Primary" && observed.kernel.suspended.length === 0 && !connected(observed);

/** Written without its peer and without leave: a hand promoted or released it. What is written here is lost, or splits the data. */
export function isTrespasser({ entry, me, observed }: MembershipView): boolean {
  return entry !== undefined && !entry.members.includes(me) && writesAlone(observed);
}

/** Frozen, and the record says that the other side has gone on: nothing that waits here may ever complete. */
export function isLoser({ entry, me, observed }: MembershipView): boolean {
  const frozen = observed.kernel?.role === "Primary" && observed.kernel.suspended.length > 0 && !connected(observed);
  return frozen && entry !== undefined && !entry.members.includes(me);
}

/**
 * A disk that comes back under a primary without its peer would let go what was frozen, with data of the past: only the
 * one member may have that. A disk that failed while another one had more never comes back as it is: by equal generations
 * DRBD would take it for UpToDate, and the other side for the one to be overwritten.
 */
export function mayAttach({ entry, me, observed, lags, diskFailed }: MembershipView): boolean {
  if (lags) return false;
  if (diskFailed && entry !== undefined && !entry.members.includes(me)) return false;
  if (observed.kernel?.role !== "Primary" || connected(observed)) return true;
  return entry !== undefined && isOnlyMember(entry, me);
}

/**
 * A host that took over meets its former peer only as primary: see `allowedRole`. A peer that waits for being overwritten
 * may still be of the same generation: should the disk here fail then, DRBD would serve its data as the current one.
 */
export function mayConnect(view: MembershipView): boolean {
  const { entry, me, observed } = view;
  // Frozen and set apart: it is being decided who goes on.
  if (observed.kernel?.role === "Primary" && observed.kernel.suspended.includes("fencing") && !talks(observed))
    return false;
  // A frozen peer would let go what waits there, and this member would lack it: see `restarted`.
  const asked = entry !== undefined && entry.primary !== me && decisions.isRestarted(entry, me);
  if (asked && bothIn(view, entry) && !connected(observed)) return false;
  const tookOver = entry !== undefined && entry.primary === me && isOnlyMember(entry, me);
  const waits = observed.kernel?.connection?.replication === "WFBitMapS";
  return !tookOver || observed.kernel?.role === "Primary" || (connected(observed) && !waits);
}

const bothIn = ({ me, peer }: MembershipView, { members }: HostPairMirror): boolean =>
  members.includes(me) && members.includes(peer);

const isOnlyMember = (entry: HostPairMirror, me: string): boolean =>
  entry.members.length === 1 && entry.members[0] === me;

/** Tries to reach the peer, or has reached it. */
export const talks = ({ kernel }: ObservedReplica): boolean =>
  kernel?.connection !== undefined && kernel.connection.state !== "StandAlone";

/** Metadata may be made where no acknowledged write can be: before the first generation, or on a side that is out. */
export function allowedMetadata(view: MembershipView, firstGeneration: boolean): "keep" | "may-create" {
  if (view.entry === undefined) return firstGeneration ? "may-create" : "keep";
  return view.entry.members.includes(view.me) ? "keep" : "may-create";
}
