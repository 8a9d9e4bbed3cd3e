import type { Host } from "../../crds/generated/host.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";
import type { ResourceConfig } from "../../executors/drbd/config.ts";
import type { DesiredReplica } from "../../executors/drbd/driver.ts";
import { parseBytes } from "../../machinery/quantity.ts";

/** What the reconciler found out before it can say what DRBD should be. */
export interface ReplicaSurroundings {
  /** Backing device on this host. */
  readonly disk: string;
  readonly host: Host;
  readonly peer: Host;
  readonly sharedSecret: string | undefined;
  /** What the arbitration allows now, of what the spec asks. */
  readonly role: "Primary" | "Secondary";
  readonly connect: boolean;
  readonly discard: boolean;
  readonly attach: boolean;
  /** A recorded window of a live migration is open. */
  readonly twoPrimaries: boolean;
  readonly metadata: DesiredReplica["metadata"];
  /** The record knows this mirror: it had its first generation. */
  readonly recorded: boolean;
}

export const resourceName = (replica: MirrorReplica): string =>
  onDiskName(replica.metadata.namespace, replica.spec.mirrorRef.name);

export function desiredReplica(replica: MirrorReplica, around: ReplicaSurroundings): DesiredReplica {
  return {
    config: resourceConfig(replica, around),
    metadata: around.metadata,
    mustBeFresh: !around.recorded && replica.status?.metadataMade !== true,
    connect: around.connect,
    discard: around.discard,
    filled: replica.spec.filled === true,
    attach: around.attach,
    role: around.role,
    firstGeneration: firstGeneration(replica),
    sizeBytes: parseBytes(String(replica.spec.size)),
  };
}

/** Only once it is in the store that the metadata is ours: after a crash it could not be told from a stranger's. */
function firstGeneration({ spec, status }: MirrorReplica): DesiredReplica["firstGeneration"] {
  if (status?.metadataMade !== true) return "none";
  if (spec.firstGeneration === undefined || spec.role !== "Primary") return "none";
  return spec.firstGeneration === "Skip" ? "skip-sync" : "full-sync";
}

function resourceConfig(replica: MirrorReplica, around: ReplicaSurroundings): ResourceConfig {
  const { spec } = replica;
  const { options } = spec;
  return {
    name: resourceName(replica),
    minor: spec.minor,
    port: spec.port,
    local: { nodeName: around.host.status?.uname ?? spec.hostName, address: spec.address, disk: around.disk },
    peer: { nodeName: around.peer.status?.uname ?? spec.peerHostName, address: spec.peerAddress, disk: around.disk },
    twoPrimaries: around.twoPrimaries,
    sharedSecret: around.sharedSecret,
    tuning: {
      resyncRateBytes: options.resyncRate === undefined ? undefined : parseBytes(String(options.resyncRate)),
      activityLogExtents: options.activityLogExtents,
      timeoutMs: options.timeoutMilliseconds,
      connectIntervalMs: options.connectIntervalMilliseconds,
      pingIntervalMs: options.pingIntervalMilliseconds,
    },
  };
}
