import type { HostPairMirror } from "../../crds/generated/host-pair.ts";
import type { FirstGeneration, Mirror, MirrorReplicaState, MirrorStatus } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { findCondition, isConditionTrue } from "../../machinery/conditions.ts";
import { type ConditionFact, ready } from "../pass.ts";
import { splitBrainCondition, splitBrainState } from "./split-brain.ts";

type Fields = Omit<MirrorStatus, "conditions" | "observedGeneration">;

/** What the mirror is, put together from its two sides and its entry in the pair's record. */
export function mirrorFields(
  mirror: Mirror,
  firstGeneration: FirstGeneration,
  replicas: readonly MirrorReplica[],
  entry: HostPairMirror | undefined,
): Fields {
  const fileSystem = fileSystemOf(mirror, replicas);
  const splitBrain = splitBrainState(mirror, replicas);
  const primary = primaryOf(replicas, entry);
  return {
    firstGeneration,
    replicas: replicas.map(replicaState),
    ...(entry === undefined ? {} : { members: entry.members }),
    ...(primary === undefined ? {} : { primary: primary.spec.hostName }),
    ...(primary?.status?.devicePath === undefined ? {} : { devicePath: primary.status.devicePath }),
    ...(primary?.status?.capacity === undefined ? {} : { capacity: primary.status.capacity }),
    ...(fileSystem === undefined ? {} : { fileSystem }),
    ...(splitBrain === undefined ? {} : { splitBrain }),
  };
}

/** As the primary says; what was made stays made wherever the primary goes. */
function fileSystemOf(mirror: Mirror, replicas: readonly MirrorReplica[]): Fields["fileSystem"] {
  const primary = replicas.find(({ status }) => status?.role === "Primary");
  const all = [
    primary?.status?.fileSystem,
    mirror.status?.fileSystem,
    ...replicas.map(({ status }) => status?.fileSystem),
  ];
  return all.find((each) => each?.state === "Made") ?? all.find((each) => each !== undefined);
}

/** Who was overtaken may be off, and its last report says that it is primary still: the record knows better. */
function primaryOf(replicas: readonly MirrorReplica[], entry: HostPairMirror | undefined): MirrorReplica | undefined {
  const primaries = replicas.filter(({ status }) => status?.role === "Primary");
  return primaries.find(({ spec }) => spec.hostName === entry?.primary) ?? primaries[0];
}

function replicaState({ spec, status }: MirrorReplica): MirrorReplicaState {
  const { role, diskState, connectionState, peerRole, peerDiskState, currentUUID, suspended, outOfSyncBytes, resync } =
    status ?? {};
  return Object.fromEntries(
    Object.entries({
      hostName: spec.hostName,
      role,
      diskState,
      connectionState,
      peerRole,
      peerDiskState,
      currentUUID,
      suspended,
      outOfSyncBytes,
      resync,
    }).filter(([, value]) => value !== undefined),
  ) as unknown as MirrorReplicaState;
}

/** How far the first generation has come, from what the agents reported; it never goes back. */
export function nextFirstGeneration(
  mirror: Mirror,
  source: string,
  replicas: readonly MirrorReplica[],
  entry: HostPairMirror | undefined,
): FirstGeneration {
  const was = mirror.status?.firstGeneration;
  if (was?.state === "GenerationSet") return was;
  const hostName = was?.hostName ?? source;
  if (entry !== undefined)
    return { state: "GenerationSet", hostName, ...(entry.dataUUID === undefined ? {} : { uuid: entry.dataUUID }) };
  const made = (host: (name: string) => boolean) =>
    replicas.some(({ spec, status }) => host(spec.hostName) && status?.metadataMade === true);
  if (made((name) => name === hostName) && made((name) => name !== hostName))
    return { state: "BothMetadataMade", hostName };
  if (made((name) => name === hostName) || was?.state === "SourceMetadataMade")
    return { state: was?.state === "BothMetadataMade" ? was.state : "SourceMetadataMade", hostName };
  return { state: was?.state ?? "Planned", hostName };
}

export function mirrorConditions(
  mirror: Mirror,
  wantedPrimary: string,
  replicas: readonly MirrorReplica[],
  entry: HostPairMirror | undefined,
): readonly ConditionFact[] {
  const whole = replicas.length === 2 && replicas.every(({ status }) => status?.diskState === "UpToDate");
  const connected = replicas.every(({ status }) => isConditionTrue(status?.conditions, "Connected"));
  const inSync = whole && connected && entry?.members.length === 2;
  return [
    readiness(wantedPrimary, replicas, entry),
    inSync
      ? { type: "InSync", status: "True", reason: "InSync", message: "both copies are up to date" }
      : { type: "InSync", status: "False", reason: "NotInSync", message: progressMessage(replicas) },
    degraded(replicas, entry),
    splitBrainCondition(mirror, replicas, splitBrainState(mirror, replicas)),
  ];
}

const isInDoubt = (fact: { readonly reason: string } | undefined): boolean => fact?.reason === "CopyInDoubt";

/** What the side whose copy is in doubt asks the administrator. */
const doubtOf = (replicas: readonly MirrorReplica[]) =>
  replicas.map(({ status }) => findCondition(status?.conditions, "Ready")).find((fact) => isInDoubt(fact));

function degraded(replicas: readonly MirrorReplica[], entry: HostPairMirror | undefined): ConditionFact {
  const doubt = entry?.inDoubt === true ? doubtOf(replicas) : undefined;
  if (doubt !== undefined) return { type: "Degraded", status: "True", reason: doubt.reason, message: doubt.message };
  return entry?.members.length === 1
    ? {
        type: "Degraded",
        status: "True",
        reason: "OneCopy",
        message: `only ${entry.members[0]} holds every acknowledged write: losing it loses the device`,
      }
    : { type: "Degraded", status: "False", reason: "Redundant", message: "no copy is missing" };
}

function readiness(
  wantedPrimary: string,
  replicas: readonly MirrorReplica[],
  entry: HostPairMirror | undefined,
): ConditionFact {
  const primary = primaryOf(replicas, entry);
  const usable = primary?.status?.suspended !== true && primary?.status?.devicePath !== undefined;
  if (primary?.spec.hostName === wantedPrimary && usable)
    return ready("True", "Usable", `usable on ${wantedPrimary} as ${primary.status?.devicePath}`);
  const doubt = entry?.inDoubt === true ? doubtOf(replicas) : undefined;
  if (doubt !== undefined) return ready("False", doubt.reason, doubt.message);
  const side = primary ?? replicas.find(({ spec }) => spec.hostName === wantedPrimary) ?? replicas[0];
  const fact = findCondition(side?.status?.conditions, "Ready");
  if (side === undefined || fact === undefined)
    return ready("False", "Progressing", `${wantedPrimary} has not reported yet`);
  if (fact.status === "True") return ready("False", "MovingPrimary", `the primary role moves to ${wantedPrimary}`);
  return ready("False", fact.reason, `${side.spec.hostName}: ${fact.message}`);
}

function progressMessage(replicas: readonly MirrorReplica[]): string {
  const syncing = replicas.find(({ status }) => status?.resync !== undefined);
  if (syncing?.status?.resync?.percent !== undefined) {
    const { percent, finishTime } = syncing.status.resync;
    return `resynchronising: ${percent} % done${finishTime === undefined ? "" : `, finished about ${finishTime}`}`;
  }
  const states = replicas.map(({ spec, status }) => `${spec.hostName} ${status?.diskState ?? "not reported"}`);
  return states.length === 0 ? "no side has been made yet" : states.join(", ");
}
