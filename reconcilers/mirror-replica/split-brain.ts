import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import * as decisions from "../host-pair/decisions.ts";
import { connected, type MembershipView, type NeededDecision } from "./membership.ts";

/** What the administrator's word about a split brain takes on the host that gives up its changes. */
export type DiscardPass =
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  /** It leaves the record first: from then on nothing that it holds is believed. */
  | { readonly kind: "decide"; readonly needed: NeededDecision }
  | { readonly kind: "discard" };

export function discardPass(replica: MirrorReplica, view: MembershipView): DiscardPass {
  const { entry, me, peer, mirror, observed } = view;
  if (replica.spec.discard !== true || connected(observed)) return { kind: "none" };
  if (replica.spec.role === "Primary")
    return {
      kind: "refused",
      reason: "VictimInUse",
      message: `${me} is to be primary: what is in use is not given up; set spec.primary to ${peer}, or name ${peer}`,
    };
  if (entry === undefined || observed.kernel?.device === undefined) return { kind: "none" };
  if (entry.members.includes(me)) {
    if (!entry.members.includes(peer))
      return {
        kind: "refused",
        reason: "VictimIsTheMember",
        message: `by the record ${me} alone holds every acknowledged write: it cannot be given up; name ${peer} instead`,
      };
    return {
      kind: "decide",
      needed: {
        why: `take ${me} out: an administrator gives up what was written there`,
        decision: decisions.shrink(mirror, me, me, "SplitBrainVictim"),
      },
    };
  }
  return { kind: observed.kernel.role === "Secondary" ? "discard" : "none" };
}
