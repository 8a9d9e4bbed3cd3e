import type { Mirror, SplitBrainState } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { findCondition, isConditionTrue } from "../../machinery/conditions.ts";
import type { ConditionFact } from "../pass.ts";

const bothConnected = (replicas: readonly MirrorReplica[]): boolean =>
  replicas.length === 2 && replicas.every(({ status }) => isConditionTrue(status?.conditions, "Connected"));

/**
 * They talk and hold one data generation. To be connected is not enough: two sides that were both written connect for a moment, each
 * time that they try, before DRBD parts them again.
 */
function haveMet(replicas: readonly MirrorReplica[]): boolean {
  const [a, b] = replicas.map(({ status }) => status?.currentUUID);
  return bothConnected(replicas) && a !== undefined && a === b;
}

const wasSplit = ({ status }: Mirror): boolean => isConditionTrue(status?.conditions, "SplitBrain");

/** What a side says that is written without leave: a hand promoted or released it. */
const trespasser = (replicas: readonly MirrorReplica[]): string | undefined =>
  replicas
    .map(({ status }) => findCondition(status?.conditions, "Ready"))
    .find((fact) => fact?.reason === "PrimaryWithoutLeave")?.message;

/**
 * Both sides were told to connect, stand alone, and hold different generations: DRBD found that both were written. While they try
 * again they look as if they were only waiting for each other, so once seen it holds until they have met.
 */
export function isSplit(mirror: Mirror, replicas: readonly MirrorReplica[]): boolean {
  if (replicas.length !== 2 || haveMet(replicas)) return false;
  if (bothConnected(replicas)) return wasSplit(mirror);
  const [a, b] = replicas.map(({ status }) => status?.currentUUID);
  const apart = replicas.every(
    ({ spec, status }) => spec.connect && status?.connectionState === "StandAlone" && status.diskState === "UpToDate",
  );
  return (
    wasSplit(mirror) || trespasser(replicas) !== undefined || (apart && a !== undefined && b !== undefined && a !== b)
  );
}

/**
 * What has become of the administrator's word. It counts for the split brain that it was given for and for no other: one that was
 * given before, or has done its work, must not throw away what is written later.
 */
export function splitBrainState(mirror: Mirror, replicas: readonly MirrorReplica[]): SplitBrainState | undefined {
  const victim = mirror.spec.splitBrain?.victim;
  const known = mirror.status?.splitBrain;
  if (victim === undefined) return undefined;
  if (known?.victim !== victim) return { victim, state: wasSplit(mirror) ? "Ordered" : "Void" };
  if (known.state === "Ordered" && haveMet(replicas)) return { victim, state: "Done" };
  return known;
}

export function splitBrainCondition(
  mirror: Mirror,
  replicas: readonly MirrorReplica[],
  state: SplitBrainState | undefined,
): ConditionFact {
  const type = "SplitBrain";
  if (!isSplit(mirror, replicas))
    return { type, status: "False", reason: "OneHistory", message: "the two sides share one history" };
  const byHand = trespasser(replicas);
  if (byHand !== undefined) return { type, status: "True", reason: "PrimaryWithoutLeave", message: byHand };
  const [a, b] = replicas.map(({ spec }) => spec.hostName);
  if (state?.state === "Ordered") {
    const side = replicas.find(({ spec }) => spec.hostName === state.victim);
    const said = findCondition(side?.status?.conditions, "Ready");
    const message = `${state.victim} gives up what it wrote since the split; it says: ${said?.message ?? "nothing yet"}`;
    return { type, status: "True", reason: "BeingResolved", message };
  }
  const again =
    state === undefined ? "" : "; remove spec.splitBrain first: the word that stands there was for another time";
  return {
    type,
    status: "True",
    reason: "BothWritten",
    message: `${a} and ${b} hold different data; set spec.splitBrain.victim to the one whose changes are to be given up${again}`,
  };
}
