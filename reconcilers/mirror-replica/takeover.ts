import type { HostPairStatus } from "../../crds/generated/host-pair.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import * as commands from "../../executors/drbd/commands.ts";
import { isAttached, observeKernel } from "../../executors/drbd/observe.ts";
import type { ResourceState } from "../../executors/drbd/state.ts";
import type { Step } from "../../executors/driver.ts";
import type { ReconcileContext } from "../../machinery/result.ts";
import { pairName } from "../host-pair/arbiter.ts";
import * as decisions from "../host-pair/decisions.ts";
import { resourceName } from "./desired.ts";
import type { MirrorReplicaDeps } from "./reconcile.ts";

export type TakeoverStep =
  /** There is no order, or the record has gone on since it was given. */
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  /** Cut first: nothing is decided while the peer could still get its writes through to this side. */
  | { readonly kind: "cut"; readonly steps: readonly Step[] }
  | { readonly kind: "decided"; readonly why: string };

/**
 * A failover's order to this host: cut all mirrors of the pair that the peer is primary of, look at every copy here,
 * and take them over in one write, all or none. A crash anywhere leaves a cut link and nothing decided.
 */
export async function takeOver(
  deps: MirrorReplicaDeps,
  context: ReconcileContext,
  replica: MirrorReplica,
  status: HostPairStatus | undefined,
): Promise<TakeoverStep> {
  const { takeover, hostName: me, peerHostName: peer } = replica.spec;
  const group = (status?.mirrors ?? []).filter(({ primary }) => primary === peer);
  if (takeover === undefined || group.length === 0) return { kind: "none" };
  const kernel = await observeKernel(deps.exec, context.signal);
  // After a restart the pass goes on and attaches the disk, apart from the peer; then there is something to look at.
  if (!isAttached(kernel.get(resourceName(replica)))) return { kind: "none" };
  const sides = group.map((entry) => ({ entry, replica: sideOf(deps, entry) }));
  for (const side of sides) {
    const problem = await unfit(deps, side.replica, side.entry.uid, kernel);
    if (problem !== undefined)
      return { kind: "refused", ...problem, message: `${side.entry.namespace}/${side.entry.name}: ${problem.message}` };
  }
  const steps = sides.flatMap((side) => cut(side.replica, kernel));
  if (steps.length > 0) return { kind: "cut", steps };
  const decision = decisions.takeOver(me, peer, takeover.epoch);
  const outcome = await deps.arbiter.decide(pairName(me, peer), decision, context.signal);
  if (outcome.kind === "refused") return outcome;
  return { kind: "decided", why: `take over ${group.map(({ name }) => name).join(", ")} from ${peer}` };
}

const sideOf = (deps: MirrorReplicaDeps, entry: { readonly namespace: string; readonly name: string }) =>
  deps.replicas
    .list()
    .find(
      ({ metadata, spec }) =>
        metadata.namespace === entry.namespace && spec.mirrorRef.name === entry.name && spec.hostName === deps.hostName,
    );

interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** Why this copy cannot take over, from what is here; the record has its own reasons. */
async function unfit(
  deps: MirrorReplicaDeps,
  replica: MirrorReplica | undefined,
  uid: string,
  kernel: ReadonlyMap<string, ResourceState>,
): Promise<Problem | undefined> {
  const state = replica === undefined ? undefined : kernel.get(resourceName(replica));
  if (replica === undefined || state === undefined)
    return { reason: "NotUp", message: `DRBD is not up on ${deps.hostName}` };
  if (state.connection?.state === "Connected")
    return { reason: "StillConnected", message: "the peer still answers: nothing is taken from it" };
  const disk = state.device?.diskState;
  if (!isAttached(state) || (disk !== "UpToDate" && disk !== "Consistent"))
    return { reason: "DataNotUpToDate", message: `the disk here is ${disk ?? "not attached"}` };
  if (await deps.lag.lags(uid, replica.spec.minor))
    return { reason: "MayLackWrites", message: "the disk here was not up to date since it was last in step" };
  return undefined;
}

function cut(replica: MirrorReplica | undefined, kernel: ReadonlyMap<string, ResourceState>): readonly Step[] {
  if (replica === undefined) return [];
  const name = resourceName(replica);
  const { connection } = kernel.get(name) ?? {};
  if (connection === undefined || connection.state === "StandAlone") return [];
  return [{ why: `cut ${name} off from its primary`, effect: commands.disconnect(name) }];
}
