import { HOSTS } from "../generated/host.ts";
import { HOST_PAIRS } from "../generated/host-pair.ts";
import { MIRROR_REPLICAS } from "../generated/mirror-replica.ts";
import { type Mirror, MIRRORS } from "../generated/mirror.ts";
import { VOLUME_GROUPS } from "../generated/volume-group.ts";
import { VOLUMES } from "../generated/volume.ts";
import { find } from "./serving-hosts.ts";
import {
  type AdmissionRequest,
  type AdmissionRule,
  type FieldError,
  forbidden,
  type Lister,
  objectAs,
  oldAs,
} from "./types.ts";

/** Hosts whose copy is good now: up to date by what the agents report, and a member by the pair's record. */
function goodCopies(mirror: Mirror, lister: Lister): ReadonlySet<string> {
  const upToDate = (mirror.status?.replicas ?? []).filter(({ diskState }) => diskState === "UpToDate");
  const record = lister
    .list(HOST_PAIRS)
    .flatMap((pair) => pair.status?.mirrors ?? [])
    .find(({ uid }) => uid === mirror.metadata.uid);
  const hosts = upToDate.map(({ hostName }) => hostName);
  return new Set(record === undefined ? hosts : hosts.filter((host) => record.members.includes(host)));
}

/** Whether there is data to lose: before the first generation is set there is none. */
const hasData = (mirror: Mirror): boolean =>
  mirror.status?.firstGeneration?.state === "GenerationSet" && mirror.metadata.deletionTimestamp === undefined;

/** Hosts that lose their copy of a mirror by the request. */
type Losses = readonly { readonly mirror: Mirror; readonly host: string }[];

function losses(request: AdmissionRequest, lister: Lister): Losses {
  if (request.operation === "UPDATE") return lostByUpdate(request);
  const replicas = lister.list(MIRROR_REPLICAS).filter((replica) => {
    const { backing, hostName } = replica.spec;
    const namespace = replica.metadata.namespace;
    const gone = oldAs(request, MIRROR_REPLICAS);
    if (gone !== undefined)
      return gone.metadata.name === replica.metadata.name && gone.metadata.namespace === namespace;
    const host = oldAs(request, HOSTS);
    if (host !== undefined) return host.metadata.name === hostName;
    const volume = oldAs(request, VOLUMES);
    if (volume !== undefined)
      return volume.metadata.namespace === namespace && volume.metadata.name === backing.volumeRef?.name;
    const group = oldAs(request, VOLUME_GROUPS);
    const backingVolume = backing.volumeRef && find(lister, VOLUMES, namespace, backing.volumeRef.name);
    return group !== undefined && backingVolume?.spec.volumeGroupRef.name === group.metadata.name;
  });
  return replicas.flatMap(({ metadata, spec }) => {
    const mirror = find(lister, MIRRORS, metadata.namespace, spec.mirrorRef.name);
    return mirror === undefined ? [] : [{ mirror, host: spec.hostName }];
  });
}

/** A replica that is taken off the list, or put on another device of the same host. */
function lostByUpdate(request: AdmissionRequest): Losses {
  const mirror = objectAs(request, MIRRORS);
  const old = oldAs(request, MIRRORS);
  if (mirror === undefined || old === undefined || mirror.spec.replicas === undefined) return [];
  const kept = new Map(mirror.spec.replicas.map((replica) => [replica.hostName, replica]));
  const hosts = (old.spec.replicas ?? old.status?.replicas ?? []).flatMap((replica) => {
    const now = kept.get(replica.hostName);
    const moved =
      now !== undefined &&
      "volumeGroupRef" in replica &&
      (now.volumeGroupRef?.name !== replica.volumeGroupRef?.name || now.device !== replica.device);
    return now === undefined || moved ? [replica.hostName] : [];
  });
  return hosts.map((host) => ({ mirror: old, host }));
}

/** No request takes away the last good copy of a mirror, unless it deletes the mirror itself. */
export const lastCopy: AdmissionRule = {
  name: "last-copy",
  kinds: [MIRRORS, MIRROR_REPLICAS, VOLUMES, VOLUME_GROUPS, HOSTS],
  reads: [MIRRORS, MIRROR_REPLICAS, VOLUMES, HOST_PAIRS],
  check(request, lister): readonly FieldError[] {
    if (request.operation === "CREATE" || request.subresource !== "") return [];
    if (request.plural === MIRRORS.plural && request.operation === "DELETE") return [];
    const byMirror = Map.groupBy(losses(request, lister), ({ mirror }) => mirror);
    return [...byMirror].flatMap(([mirror, lost]) => {
      if (!hasData(mirror)) return [];
      const good = goodCopies(mirror, lister);
      const losing = lost.map(({ host }) => host);
      if ([...good].some((host) => !losing.includes(host))) return [];
      const name = `${mirror.metadata.namespace}/${mirror.metadata.name}`;
      const where =
        good.size === 0 ? "no copy is known to be good" : `the only good copy is on ${[...good].join(", ")}`;
      return [
        forbidden("", `Mirror ${name} would be left without a good copy: ${where}; wait for the resynchronisation`),
      ];
    });
  },
};
