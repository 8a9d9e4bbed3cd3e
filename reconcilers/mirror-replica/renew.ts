import * as commands from "../../executors/drbd/commands.ts";
import type { Step } from "../../executors/driver.ts";
import { isAttached } from "../../executors/drbd/observe.ts";
import type { ReconcileContext } from "../../machinery/result.ts";
import { pairName } from "../host-pair/arbiter.ts";
import * as decisions from "../host-pair/decisions.ts";
import { connected, type MembershipView } from "./membership.ts";
import type { MirrorReplicaDeps } from "./reconcile.ts";

/**
 * A disk that failed a write and came back begins anew: DRBD's bitmap misses what was written between the failure and
 * the moment in which the peer heard of it. So does a copy that a person gave up. Only once the record shows it out, and says whose
 * copy counts; after a crash it is done again. True: something was done.
 */
export async function renewDisk(
  deps: MirrorReplicaDeps,
  { signal }: ReconcileContext,
  { entry, me, peer, mirror, diskFailed, observed }: MembershipView,
  { minor, disk }: { readonly minor: number; readonly disk: string },
  apply: (steps: readonly Step[]) => Promise<unknown>,
): Promise<boolean> {
  if (entry === undefined || entry.members.includes(me) || entry.inDoubt === true) return false;
  const givenUp = entry.discarded?.includes(me) === true;
  if (!givenUp && !diskFailed) return false;
  const { kernel } = observed;
  if (kernel?.device === undefined) return false;
  if (kernel.role === "Primary" && !connected(observed)) return false;
  const { name } = kernel;
  if (isAttached(kernel)) {
    await apply([{ why: `give up the disk of ${name}, which begins anew`, effect: commands.detach(name) }]);
    return true;
  }
  // Another disk in its place: the file names it first. What that one holds is looked at like on any new disk.
  if (observed.configFile?.includes(`disk ${disk};`) !== true || observed.metadata === "unknown") return false;
  if (observed.metadata === "yes")
    await apply([{ why: `make new metadata on the disk of ${name}`, effect: commands.createMetadata(name) }]);
  await deps.lag.bury(minor);
  if (givenUp) await deps.arbiter.decide(pairName(me, peer), decisions.begunAnew(mirror, me), signal);
  return true;
}
