import { API_VERSION, HOST_LABEL } from "../../crds/constants.ts";
import type { Host } from "../../crds/generated/host.ts";
import type { Mirror, MirrorReplicaSource } from "../../crds/generated/mirror.ts";
import type { MirrorReplica, MirrorReplicaSpec } from "../../crds/generated/mirror-replica.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import { backingBytes } from "../../executors/drbd/metadata-size.ts";
import { formatBytes, parseBytes } from "../../machinery/quantity.ts";
import type { Made } from "../object-access.ts";

/** Default extent of LVM; LVM rounds up once more where a group has larger ones. */
const EXTENT_BYTES = 4 * 2 ** 20;

/** Name of what a mirror owns on a host: its replica, and its volume. */
export const childName = (mirror: Mirror, hostName: string): string => `${mirror.metadata.name}-${hostName}`;

const ownedBy = (mirror: Mirror, name: string, hostName: string) => ({
  name,
  namespace: mirror.metadata.namespace,
  labels: { [HOST_LABEL]: hostName },
  ownerReferences: [
    {
      apiVersion: API_VERSION,
      kind: "Mirror",
      name: mirror.metadata.name,
      uid: mirror.metadata.uid ?? "",
      controller: true,
      blockOwnerDeletion: true,
    },
  ],
});

/** The logical volume behind one side: the mirror's size plus DRBD's internal metadata. */
export function backingVolume(
  mirror: Mirror,
  side: MirrorReplicaSource,
  volumeGroup: string,
  source?: Volume["spec"]["source"],
): Made<Volume> {
  const { spec } = mirror;
  return {
    apiVersion: API_VERSION,
    kind: "Volume",
    metadata: ownedBy(mirror, childName(mirror, side.hostName), side.hostName),
    spec: {
      volumeGroupRef: { name: volumeGroup },
      size: formatBytes(backingBytes(parseBytes(String(spec.size)), EXTENT_BYTES)),
      thin: spec.thin,
      ...(source === undefined ? {} : { source }),
      ...(spec.deletionPolicy === undefined ? {} : { deletionPolicy: spec.deletionPolicy }),
    },
  };
}

/** What both sides share. */
export interface Shared {
  readonly minor: number;
  readonly port: number;
  /** The host that should be primary. */
  readonly primary: string;
  /** The first data generation is still to come. */
  readonly firstGeneration: boolean;
  /** Usable size that both backing devices can hold. */
  readonly sizeBytes: number;
  readonly connect: boolean;
  readonly takeover: MirrorReplicaSpec["takeover"];
  /** The host whose side was filled with the mirror's source. */
  readonly filled: string | undefined;
  /** A comparison that is to be carried out, by the primary. */
  readonly verify: MirrorReplicaSpec["verify"];
  /** The host that gives up its changes after a split brain. */
  readonly discard: string | undefined;
}

export function replicaOf(
  mirror: Mirror,
  side: MirrorReplicaSource,
  hosts: { readonly own: Host; readonly peer: Host },
  shared: Shared,
): Made<MirrorReplica> {
  const { spec } = mirror;
  const { hostName, device } = side;
  return {
    apiVersion: API_VERSION,
    kind: "MirrorReplica",
    metadata: ownedBy(mirror, childName(mirror, hostName), hostName),
    spec: {
      mirrorRef: { name: mirror.metadata.name },
      hostName,
      peerHostName: hosts.peer.metadata.name,
      size: formatBytes(shared.sizeBytes),
      role: hostName === shared.primary ? "Primary" : "Secondary",
      connect: shared.connect,
      minor: shared.minor,
      port: shared.port,
      address: replicationAddress(hosts.own),
      peerAddress: replicationAddress(hosts.peer),
      backing: device === undefined ? { volumeRef: { name: childName(mirror, hostName) } } : { device },
      twoPrimaries: false,
      options: DRBD_OPTIONS(spec.resyncRate),
      ...(shared.firstGeneration ? { firstGeneration: firstGenerationOf(mirror, hostName, shared.primary) } : {}),
      ...(spec.sharedSecretRef === undefined ? {} : { sharedSecretRef: spec.sharedSecretRef }),
      ...(shared.filled === hostName ? { filled: true } : {}),
      ...(shared.verify === undefined || hostName !== shared.primary ? {} : { verify: shared.verify }),
      ...(spec.fileSystem === undefined ? {} : { fileSystem: spec.fileSystem }),
      ...(shared.discard === hostName ? { discard: true } : {}),
      ...(shared.takeover === undefined || hostName !== shared.primary ? {} : { takeover: shared.takeover }),
    },
  };
}

/** A new thin volume provably reads as zeros; of anything else one side is copied to the other. */
function firstGenerationOf(mirror: Mirror, hostName: string, source: string): "Source" | "Target" | "Skip" {
  const zeros =
    mirror.spec.source === undefined &&
    mirror.spec.thin &&
    mirror.spec.replicas?.every(({ device }) => device === undefined) !== false;
  if (zeros) return "Skip";
  return hostName === source ? "Source" : "Target";
}

const DRBD_OPTIONS = (resyncRate: Mirror["spec"]["resyncRate"]): MirrorReplicaSpec["options"] => ({
  activityLogExtents: 1237,
  connectIntervalMilliseconds: 3000,
  pingIntervalMilliseconds: 3000,
  timeoutMilliseconds: 2500,
  ...(resyncRate === undefined ? {} : { resyncRate }),
});

const replicationAddress = ({ spec }: Host): string => spec.replicationAddress ?? spec.address;
