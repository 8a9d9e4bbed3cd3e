import type { MirrorReplica, MirrorReplicaStatus } from "../../crds/generated/mirror-replica.ts";
import { isAttached, type ObservedReplica } from "../../executors/drbd/observe.ts";
import { formatTime } from "../../machinery/clock.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import { type ConditionFact, ready } from "../pass.ts";
import { isVerifying } from "./verify.ts";

type Fields = Omit<MirrorReplicaStatus, "conditions" | "observedGeneration">;

/** The facts that the agent reports of its side, as DRBD says them. */
export function replicaFields(replica: MirrorReplica, observed: ObservedReplica, now: Date): Fields {
  const { kernel, progress } = observed;
  const was = replica.status?.metadataMade === true;
  // Metadata that was in use and that nobody here is known to have made may be a stranger's.
  const metadataMade =
    observed.metadata === "yes" ? was || observed.usedBefore !== true : was && observed.metadata !== "no";
  if (kernel === undefined) return { metadataMade, diskState: "Down" };
  const { device, connection } = kernel;
  return {
    metadataMade,
    role: kernel.role,
    diskState: device?.diskState ?? "Diskless",
    connectionState: connectionWord(observed),
    peerRole: connection?.peerRole ?? "Unknown",
    peerDiskState: connection?.peerDiskState ?? "DUnknown",
    suspended: kernel.suspended.length > 0,
    ...(device === undefined
      ? {}
      : { devicePath: `/dev/drbd${device.minor}`, capacity: formatBytes(device.sizeBytes) }),
    ...(observed.currentUUID === undefined ? {} : { currentUUID: observed.currentUUID }),
    ...(connection === undefined ? {} : { outOfSyncBytes: connection.outOfSyncBytes }),
    ...(progress === undefined || isVerifying(observed) ? {} : { resync: resync(progress, now) }),
  };
}

/** One word, as people know it from /proc/drbd: the replication's while connected. */
function connectionWord({ kernel }: ObservedReplica): string {
  if (kernel?.connection === undefined) return "StandAlone";
  const { state, replication } = kernel.connection;
  return state === "Connected" && replication !== "Established" && replication !== "Off" ? replication : state;
}

function resync(progress: NonNullable<ObservedReplica["progress"]>, now: Date): NonNullable<Fields["resync"]> {
  const { percent, remainingSeconds } = progress;
  if (remainingSeconds === undefined) return { percent: percent.toFixed(1) };
  return { percent: percent.toFixed(1), finishTime: formatTime(new Date(now.getTime() + remainingSeconds * 1000)) };
}

const isConnected = ({ kernel }: ObservedReplica): boolean => kernel?.connection?.state === "Connected";

/** Ready says that this side does what is asked; the others say what of it is there. */
export function replicaConditions(
  replica: MirrorReplica,
  observed: ObservedReplica,
  lost = false,
): readonly ConditionFact[] {
  const host = replica.spec.hostName;
  const attached = isAttached(observed.kernel);
  const state = observed.kernel?.device?.diskState ?? "Diskless";
  const connected = isConnected(observed);
  return [
    readiness(replica, observed),
    {
      type: "DiskAttached",
      status: attached ? "True" : "False",
      reason: attached ? "Attached" : "Detached",
      message: attached ? `the disk on ${host} is ${state}` : `${host} works without its own disk (${state})`,
    },
    {
      type: "Connected",
      status: connected ? "True" : "False",
      reason: connected ? "Connected" : (observed.kernel?.connection?.state ?? "StandAlone"),
      message: connected
        ? `connected to ${replica.spec.peerHostName}`
        : `not connected to ${replica.spec.peerHostName}`,
    },
    lost
      ? {
          type: "NeedsReboot",
          status: "True",
          reason: "FrozenAfterTakeover",
          message: `${replica.spec.peerHostName} has gone on alone, and ${host} holds writes that may never complete: stop what has the device open, or restart ${host}`,
        }
      : { type: "NeedsReboot", status: "False", reason: "NotNeeded", message: "nothing here waits for ever" },
  ];
}

function readiness(replica: MirrorReplica, observed: ObservedReplica): ConditionFact {
  const { spec } = replica;
  const { kernel } = observed;
  if (kernel?.device === undefined) return ready("False", "Down", `DRBD is not up on ${spec.hostName}`);
  if (kernel.suspended.length > 0)
    return ready(
      "False",
      "Suspended",
      `I/O on ${spec.hostName} is frozen (${kernel.suspended.join(", ")}) until the record says who goes on`,
    );
  if (kernel.device.diskState === "Inconsistent" && kernel.connection?.replication !== "SyncTarget")
    return ready("False", "NoData", `the disk on ${spec.hostName} holds no consistent data yet`);
  if (spec.connect && !isConnected(observed))
    return ready("False", "NotConnected", `${spec.hostName} waits for ${spec.peerHostName}`);
  if (!isAttached(kernel))
    return ready("False", "Diskless", `the disk on ${spec.hostName} is ${kernel.device.diskState}`);
  if (kernel.role !== spec.role)
    return ready("False", "RoleDiffers", `${spec.hostName} is ${kernel.role}, ${spec.role} is asked for`);
  return ready("True", "AsAsked", `${kernel.role}, ${kernel.device.diskState}`);
}
