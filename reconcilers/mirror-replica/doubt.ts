import type { HostPair } from "../../crds/generated/host-pair.ts";
import { isAttached } from "../../executors/drbd/observe.ts";
import { pairName } from "../host-pair/arbiter.ts";
import * as decisions from "../host-pair/decisions.ts";
import type { MembershipView, NeededDecision } from "./membership.ts";

/** What a copy in doubt, and the administrator's word about it, takes on this host. */
export type DoubtPass =
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  | { readonly kind: "decide"; readonly needed: NeededDecision };

/**
 * The only member of the record may lack acknowledged writes, and knows it: it says so in the record, and from then on neither host
 * goes on by itself. A person names the copy that counts, for exactly that record (`HostPair.spec.trust`); the named host
 * decides, and the other one's copy begins anew.
 */
export function doubtPass(view: MembershipView, record: HostPair): DoubtPass {
  const { entry, me, peer, mirror, lags, diskFailed, observed } = view;
  if (entry === undefined) return { kind: "none" };
  const isOnly = entry.members.join() === me;
  const { kernel } = observed;
  const decide = (why: string, decision: decisions.Decision, settlesDoubt = false): DoubtPass => ({
    kind: "decide",
    needed: { why, decision, settlesDoubt },
  });
  if (entry.inDoubt !== true) {
    const rests = kernel?.role !== "Primary" || !isAttached(kernel);
    if (!isOnly || !lags || !rests) return { kind: "none" };
    return decide(`record that ${me} alone is left and may lack writes`, decisions.doubt(mirror, me));
  }
  if (isOnly && !lags) return decide(`record that ${me} lacks nothing`, decisions.endDoubt(mirror, me));
  if (isNamed(view, record)) {
    const disk = kernel?.device?.diskState;
    if (isOnly && kernel?.role === "Primary")
      return {
        kind: "refused",
        reason: "CopyInUse",
        message: `spec.trust of HostPair ${record.metadata.name} names ${me}, where the device is in use without the disk: restart ${me} first, or name ${peer}`,
      };
    if (!isOnly && (diskFailed || (disk !== "UpToDate" && disk !== "Consistent")))
      return {
        kind: "refused",
        reason: "CopyUnusable",
        message: `spec.trust of HostPair ${record.metadata.name} names ${me}, whose disk ${diskFailed ? "failed" : `is ${disk ?? "not attached"}`}: only a complete copy can count; name ${peer}`,
      };
    const decision = decisions.trusted(mirror, me, peer, view.epoch);
    return decide(`let the copy on ${me} count: an administrator says so`, decision, isOnly);
  }
  return isOnly ? { kind: "refused", reason: "CopyInDoubt", message: question(view, record) } : { kind: "none" };
}

function isNamed({ me, mirror, epoch }: MembershipView, { spec, status }: HostPair): boolean {
  const { trust } = spec;
  return (
    trust?.hostName === me &&
    trust.incarnation === status?.incarnation &&
    trust.epoch === epoch &&
    trust.mirror?.namespace === mirror.namespace &&
    trust.mirror.name === mirror.name
  );
}

/** What the administrator reads, and copies. */
function question({ me, peer, mirror, epoch }: MembershipView, { status }: HostPair): string {
  const { namespace, name } = mirror;
  const trust = { hostName: "…", incarnation: status?.incarnation, epoch, mirror: { namespace, name } };
  return (
    `the disk of ${me}, the only member, failed and may lack acknowledged writes, and ${peer} cannot prove that it has them: ` +
    `look at both copies, then name the one that counts (${peer} if its disk is UpToDate or Consistent, else ${me}); ` +
    `the other one is overwritten: kubectl patch hostpair ${pairName(me, peer)} --type=merge -p '${JSON.stringify({ spec: { trust } })}'`
  );
}
