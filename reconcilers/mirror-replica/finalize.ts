import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { planDemotion, planRemoval } from "../../executors/drbd/driver.ts";
import { isAttached, type ObservedReplica, observeReplica } from "../../executors/drbd/observe.ts";
import { done, type ReconcileContext, requeueAfter, type Result } from "../../machinery/result.ts";
import { pairName } from "../host-pair/arbiter.ts";
import * as decisions from "../host-pair/decisions.ts";
import { applyPlan, ready, type Report, runPass, waiting } from "../pass.ts";
import { resourceName } from "./desired.ts";
import { connected } from "./membership.ts";
import type { MirrorReplicaDeps } from "./reconcile.ts";
import { replicaFields } from "./status.ts";

/**
 * Takes this side down: out of the record first, then DRBD, then the metadata when the data goes too. An open device
 * keeps it from being demoted: nothing is forced, the condition says so.
 */
export async function finalizeReplica(
  deps: MirrorReplicaDeps,
  context: ReconcileContext,
  replica: MirrorReplica,
): Promise<Result> {
  if (!replica.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
  const mirror = deps.mirrors.get({ namespace: replica.metadata.namespace, name: replica.spec.mirrorRef.name });
  if (mirror?.spec.deletionPolicy === "Orphan") {
    await deps.replicas.removeFinalizer(replica, CLEANUP_FINALIZER);
    return done;
  }
  let removed = false;
  const result = await runPass(context, deps.replicas, replica, async (): Promise<Report<MirrorReplica>> => {
    const observed = await observeReplica(resourceName(replica), undefined, deps.exec, context.signal);
    const { kernel } = observed;
    const { peerHostName } = replica.spec;
    // In use over there: this copy and the record stay until it is not, or a write would find neither.
    const mirrorGoes = mirror === undefined || mirror.metadata.deletionTimestamp !== undefined;
    if (mirrorGoes && connected(observed) && kernel?.connection?.peerRole === "Primary")
      return waiting(
        "PeerIsPrimary",
        `waits until ${peerHostName} is secondary`,
        replicaFields(replica, observed, context.now()),
      );
    const parts = { access: deps.replicas, object: replica, exec: deps.exec, context };
    if (mirrorGoes && kernel?.role === "Primary" && connected(observed)) {
      const demotion = planDemotion(resourceName(replica));
      const demoted = await applyPlan(demotion, { ...parts, device: `/dev/drbd${replica.spec.minor}` });
      if (typeof demoted === "object")
        return waiting(demoted.reason, demoted.message, replicaFields(replica, observed, context.now()));
    }
    const left = await leaveRecord(deps, context, replica);
    if (left?.kind === "refused")
      return waiting(left.reason, left.message, replicaFields(replica, observed, context.now()));
    const wipe = mirror !== undefined && mirror.spec.deletionPolicy !== "Retain" && isOurs(replica, observed);
    const plan = planRemoval(resourceName(replica), observed, { wipe });
    const outcome = await applyPlan(plan, { ...parts, device: `/dev/drbd${replica.spec.minor}` });
    if (typeof outcome === "object") return waiting(outcome.reason, outcome.message);
    removed = outcome === "nothing to do";
    return {
      conditions: [ready("False", "Deleting", `${replica.spec.hostName} takes its side down`)],
      next: requeueAfter(0, "see whether it is down"),
    };
  });
  if (!removed) return result;
  await deps.replicas.removeFinalizer(replica, CLEANUP_FINALIZER);
  return done;
}

/** Metadata that was refused, because another mirror's data may belong to it, stays when the one that asked goes. */
const isOurs = ({ status }: MirrorReplica, observed: ObservedReplica): boolean =>
  status?.metadataMade === true || isAttached(observed.kernel) || observed.usedBefore !== true;

/** A mirror that goes is forgotten; one that stays loses this member, unless it is the last. */
async function leaveRecord(deps: MirrorReplicaDeps, context: ReconcileContext, replica: MirrorReplica) {
  const { hostName, peerHostName, mirrorRef } = replica.spec;
  const mirror = deps.mirrors.get({ namespace: replica.metadata.namespace, name: mirrorRef.name });
  if (mirror?.metadata.uid === undefined) return undefined;
  const { namespace, name, uid } = { uid: mirror.metadata.uid, ...mirror.metadata };
  const id = { namespace, name, uid };
  const decision =
    mirror.metadata.deletionTimestamp === undefined
      ? decisions.shrink(id, hostName, hostName, "ReplicaRemoved")
      : decisions.forget(id);
  const pair = pairName(hostName, peerHostName);
  const { record } = await deps.arbiter.read(pair, context.signal);
  if (!record?.status?.mirrors.some((entry) => entry.uid === uid && entry.members.includes(hostName))) return undefined;
  return deps.arbiter.decide(pair, decision, context.signal);
}
