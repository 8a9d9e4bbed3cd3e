import type { HostPairMirror } from "../../crds/generated/host-pair.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import * as commands from "../../executors/drbd/commands.ts";
import type { ObservedReplica } from "../../executors/drbd/observe.ts";
import type { Step } from "../../executors/driver.ts";
import type { ReconcileContext } from "../../machinery/result.ts";
import { pairName } from "../host-pair/arbiter.ts";
import * as decisions from "../host-pair/decisions.ts";
import { resourceName } from "./desired.ts";
import { copiesBehind } from "./lag.ts";
import type { Meetings } from "./meetings.ts";
import type { MirrorReplicaDeps } from "./reconcile.ts";

export type FrozenStep =
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  | { readonly kind: "steps"; readonly steps: readonly Step[] };

/**
 * The kernel asks once for each lost peer. When that helper is gone, nobody will ever answer: the device is found frozen
 * here, decided again, and released by hand. StandAlone first: unlike an exit code, `resume-io` is not bound to the loss
 * it was meant for, so the peer must not be able to come back in between.
 */
export async function releaseFrozen(
  deps: MirrorReplicaDeps,
  meetings: Meetings,
  context: ReconcileContext,
  replica: MirrorReplica,
  entry: HostPairMirror | undefined,
  observed: ObservedReplica,
): Promise<FrozenStep> {
  const { kernel } = observed;
  const name = resourceName(replica);
  const frozen = kernel?.role === "Primary" && kernel.suspended.includes("fencing");
  const apart = kernel?.connection?.state !== "Connected";
  const abandoned = meetings.isAbandoned(name, frozen && apart && !(await deps.isAsked(name)));
  if (!abandoned || kernel?.device === undefined) return { kind: "none" };
  if (entry === undefined || !entry.members.includes(deps.hostName)) return { kind: "none" };
  if (kernel.connection !== undefined && kernel.connection.state !== "StandAlone")
    return {
      kind: "steps",
      steps: [{ why: `keep ${name} apart while it is decided`, effect: commands.disconnect(name) }],
    };
  const { namespace, uid } = entry;
  const behind = await copiesBehind(deps.hostName, deps.replicas, deps.mirrors, deps.lag);
  const decision = decisions.winAlone({ namespace, name: entry.name, uid }, deps.hostName, behind);
  const pair = pairName(deps.hostName, replica.spec.peerHostName);
  const outcome = await deps.arbiter.decide(pair, decision, context.signal);
  if (outcome.kind === "refused") return outcome;
  return { kind: "steps", steps: [{ why: `let ${name} go on alone`, effect: commands.resumeIo(kernel.device.minor) }] };
}
