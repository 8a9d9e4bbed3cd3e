import type { MirrorReplica } from "../crds/generated/mirror-replica.ts";
import type { Mirror } from "../crds/generated/mirror.ts";
import type { Logger } from "../machinery/log.ts";
import type { Role } from "../executors/drbd/state.ts";
import { type Arbiter, type Outcome, pairName } from "../reconcilers/host-pair/arbiter.ts";
import * as decisions from "../reconcilers/host-pair/decisions.ts";
import { copiesBehind, type LagMemory } from "../reconcilers/mirror-replica/lag.ts";
import { resourceName } from "../reconcilers/mirror-replica/desired.ts";
import type { ObjectReader } from "../reconcilers/object-access.ts";
import type { DrbdRequest } from "./drbd-mailbox.ts";
import type { AnswerDrbd } from "./drbd-requests.ts";

/** Exit codes that DRBD 8.4 understands (drbd.conf(5), handlers). */
const PEER_OUTDATED = 4;
const PROCEED = 0;
const VETO = 1;
/** DRBD knows no such code: a promotion fails, and nothing is promised. */
const REFUSED = 1;

export interface DrbdAnswersOptions {
  readonly hostName: string;
  readonly arbiter: Arbiter;
  readonly replicas: ObjectReader<MirrorReplica>;
  readonly mirrors: ObjectReader<Mirror>;
  readonly lag: Pick<LagMemory, "lags">;
  readonly log: Logger;
  /** What the kernel says this resource is here; `undefined`: it does not have it. */
  readonly role: (resource: string, signal: AbortSignal) => Promise<Role | undefined>;
  /** Looks at the replica again: something happened to it. */
  wake(replica: MirrorReplica): void;
}

/**
 * Answers the kernel's questions from the pair's record. "Go on without the peer" is said only after a won decision;
 * a primary that lost hears nothing and stays frozen.
 */
export function drbdAnswers(options: DrbdAnswersOptions): AnswerDrbd {
  return async (request, signal) => {
    const replica = find(request, options.replicas);
    if (replica === undefined) return undefined; // unknown yet, or not ours: no answer is safe
    options.wake(replica);
    if (request.event === "fence-peer") return fencePeer(replica, options, signal);
    if (request.event === "before-resync-target") return beforeResyncTarget(replica, options, signal);
    return PROCEED;
  };
}

function find({ subject }: DrbdRequest, replicas: ObjectReader<MirrorReplica>): MirrorReplica | undefined {
  const minor = /^minor-(\d+)$/.exec(subject)?.[1];
  return replicas
    .list()
    .find((replica) =>
      minor === undefined ? resourceName(replica) === subject : replica.spec.minor === Number(minor),
    );
}

function mirrorId(replica: MirrorReplica, mirrors: ObjectReader<Mirror>): decisions.MirrorId | undefined {
  const { namespace } = replica.metadata;
  const mirror = mirrors.get({ namespace, name: replica.spec.mirrorRef.name });
  if (mirror?.metadata.uid === undefined) return undefined;
  return { namespace, name: mirror.metadata.name, uid: mirror.metadata.uid };
}

async function fencePeer(
  replica: MirrorReplica,
  { arbiter, replicas, mirrors, hostName, lag, log, role }: DrbdAnswersOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  const mirror = mirrorId(replica, mirrors);
  if (mirror === undefined) return undefined;
  const pair = pairName(replica.spec.hostName, replica.spec.peerHostName);
  // Its disk failed while the peer had one: what was acknowledged since is not here.
  const behind = await copiesBehind(hostName, replicas, mirrors, lag);
  const outcome: Outcome = behind.has(mirror.uid)
    ? { kind: "refused", reason: "MayLackWrites", message: "the disk here failed since both were in step" }
    : await arbiter.decide(pair, decisions.winAlone(mirror, hostName, behind), signal);
  if (outcome.kind === "won") return PEER_OUTDATED;
  // Without an answer the one who promotes would hang, and hold DRBD's locks against every connection meanwhile.
  if ((await role(resourceName(replica), signal)) === "Secondary") {
    log.error({ mirror, reason: outcome.reason, why: outcome.message }, "refused a promotion");
    return REFUSED;
  }
  log.error(
    { mirror, reason: outcome.reason, why: outcome.message },
    "I/O stays frozen: this host may not go on alone",
  );
  return undefined;
}

/** This side is about to be overwritten: only by a member, and only after it has left the members itself. */
async function beforeResyncTarget(
  replica: MirrorReplica,
  { arbiter, mirrors, hostName, log }: DrbdAnswersOptions,
  signal: AbortSignal,
): Promise<number> {
  const mirror = mirrorId(replica, mirrors);
  if (mirror === undefined) return VETO;
  const { peerHostName } = replica.spec;
  const pair = pairName(hostName, peerHostName);
  const { record, past } = await arbiter.read(pair, signal);
  if (past !== undefined) return VETO;
  const entry = record?.status?.mirrors.find(({ uid }) => uid === mirror.uid);
  // Before the first generation is recorded neither side holds anything that was acknowledged.
  if (entry === undefined) return replica.spec.firstGeneration === undefined ? VETO : PROCEED;
  if (!entry.members.includes(peerHostName)) {
    log.error(
      { mirror, members: entry.members },
      "refused a resync from a host that does not hold every acknowledged write",
    );
    return VETO;
  }
  if (!entry.members.includes(hostName)) return PROCEED;
  const outcome = await arbiter.decide(pair, decisions.shrink(mirror, hostName, hostName, "ResyncTarget"), signal);
  return outcome.kind === "won" ? PROCEED : VETO;
}
