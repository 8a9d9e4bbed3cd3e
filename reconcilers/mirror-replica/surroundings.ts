import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { onDiskNameProblem } from "../../crds/on-disk-name.ts";
import { TerminalError } from "../../machinery/errors.ts";
import { type Report, waiting } from "../pass.ts";
import { resourceName } from "./desired.ts";
import type { MirrorReplicaDeps } from "./reconcile.ts";

export type Surroundings = Exclude<Awaited<ReturnType<typeof surroundings>>, Report<MirrorReplica>>;

/** Everything the spec refers to; a report of what is missing otherwise. */
export async function surroundings(deps: MirrorReplicaDeps, replica: MirrorReplica) {
  const { spec, metadata } = replica;
  const problem = onDiskNameProblem(resourceName(replica));
  if (problem !== undefined) throw new TerminalError("NameInvalid", problem);
  const mirror = deps.mirrors.get({ namespace: metadata.namespace, name: spec.mirrorRef.name });
  if (mirror?.metadata.uid === undefined)
    return waiting<MirrorReplica>("MirrorMissing", `Mirror ${spec.mirrorRef.name} is not there`);
  const host = deps.hosts.get({ namespace: "", name: spec.hostName });
  const peer = deps.hosts.get({ namespace: "", name: spec.peerHostName });
  if (host?.status?.uname === undefined || peer?.status?.uname === undefined) {
    const missing = host?.status?.uname === undefined ? spec.hostName : spec.peerHostName;
    return waiting<MirrorReplica>("HostUnknown", `Host ${missing} has not registered yet: start its agent`);
  }
  const disk = backingDevice(deps, replica);
  if (disk === undefined)
    return waiting<MirrorReplica>(
      "BackingNotReady",
      `Volume ${spec.backing.volumeRef?.name} has no device yet: see its conditions`,
    );
  const sharedSecret = await sharedSecretOf(deps, replica);
  const { namespace, name, uid } = { uid: mirror.metadata.uid, ...mirror.metadata };
  return { mirror: { namespace, name, uid }, host, peer, disk, sharedSecret };
}

function backingDevice(deps: MirrorReplicaDeps, { spec, metadata }: MirrorReplica): string | undefined {
  const { device, volumeRef } = spec.backing;
  if (volumeRef === undefined) return device;
  const volume = deps.volumes.get({ namespace: metadata.namespace, name: volumeRef.name });
  return volume?.status?.hostName === spec.hostName ? volume.status.devicePath : undefined;
}

async function sharedSecretOf(deps: MirrorReplicaDeps, { spec, metadata }: MirrorReplica): Promise<string | undefined> {
  if (spec.sharedSecretRef === undefined) return undefined;
  const secret = await deps.secret(metadata.namespace, spec.sharedSecretRef.name, "sharedSecret");
  if (secret === undefined)
    throw new TerminalError("SecretMissing", `Secret ${spec.sharedSecretRef.name} has no key sharedSecret`);
  return secret;
}
