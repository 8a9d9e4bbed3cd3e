import type { Host } from "../../crds/generated/host.ts";
import type { Mirror, MirrorReplicaSource } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import { isConditionTrue } from "../../machinery/conditions.ts";
import { internalMetadataBytes } from "../../executors/drbd/metadata-size.ts";
import { formatBytes, parseBytes } from "../../machinery/quantity.ts";
import type { ObjectReader } from "../object-access.ts";
import { labelSelectorTerms, matchesLabels } from "../../machinery/selectors.ts";

/**
 * A device belongs to one mirror: to the one that was made first. `undefined`: nobody else names a device of this mirror.
 */
export function deviceConflict(mirror: Mirror, all: readonly Mirror[]): string | undefined {
  for (const side of mirror.spec.replicas ?? []) {
    if (side.device === undefined) continue;
    const owner = all
      .filter(({ spec }) =>
        spec.replicas?.some(({ hostName, device }) => hostName === side.hostName && device === side.device),
      )
      .toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0];
    if (owner !== undefined && owner.metadata.uid !== mirror.metadata.uid)
      return `spec.replicas: ${side.device} on ${side.hostName} belongs to Mirror ${owner.metadata.namespace}/${owner.metadata.name}; name another device`;
  }
  return undefined;
}

/** That a side's device has less room than the mirror asks for, as far as its host has reported the device. */
export function tooSmallProblem(
  hosts: ObjectReader<Host>,
  { spec }: Mirror,
  { hostName, device }: MirrorReplicaSource,
): string | undefined {
  const known = hosts
    .get({ namespace: "", name: hostName })
    ?.status?.devices?.find(({ path, byId }) => device !== undefined && (path === device || byId === device));
  if (known?.size === undefined) return undefined;
  const sizeBytes = parseBytes(known.size);
  const usable = sizeBytes - internalMetadataBytes(sizeBytes);
  if (parseBytes(String(spec.size)) <= usable) return undefined;
  return `spec.size: ${spec.size} do not fit: ${device} on ${hostName} has ${formatBytes(usable)} besides DRBD's metadata; set at most that, or name a larger device`;
}

const age = ({ metadata }: Mirror): string => `${metadata.creationTimestamp} ${metadata.uid}`;

/** Where a mirror's two sides go, or why they cannot go anywhere. */
export type Placement =
  | { readonly kind: "placed"; readonly sides: readonly [MirrorReplicaSource, MirrorReplicaSource] }
  | { readonly kind: "unplaced"; readonly reason: string; readonly message: string };

const unplaced = (reason: string, message: string): Placement => ({ kind: "unplaced", reason, message });

/**
 * The two sides: what the spec names, else what was chosen before, else the two hosts with the most free space. A
 * choice stands once its MirrorReplicas exist: data does not move because another host has more room today.
 */
export function placeMirror(
  mirror: Mirror,
  world: {
    readonly hosts: readonly Host[];
    readonly volumeGroups: readonly VolumeGroup[];
    readonly replicas: readonly MirrorReplica[];
    /** Volume group of a Volume that backs an existing side. */
    readonly volumeGroupOf: (replica: MirrorReplica) => string | undefined;
  },
): Placement {
  const { replicas: named } = mirror.spec;
  if (named !== undefined) return checkNamed(named, world.hosts);
  const chosen = world.replicas.map((replica) => sideOf(replica, world.volumeGroupOf(replica)));
  if (chosen.length === 2 && chosen[0] && chosen[1]) return { kind: "placed", sides: [chosen[0], chosen[1]] };
  return choose(mirror, world, chosen[0]);
}

function sideOf({ spec }: MirrorReplica, volumeGroup: string | undefined): MirrorReplicaSource | undefined {
  if (spec.backing.device !== undefined) return { hostName: spec.hostName, device: spec.backing.device };
  return volumeGroup === undefined ? undefined : { hostName: spec.hostName, volumeGroupRef: { name: volumeGroup } };
}

function checkNamed(sides: readonly MirrorReplicaSource[], hosts: readonly Host[]): Placement {
  const [a, b] = sides;
  if (a === undefined || b === undefined || a.hostName === b.hostName)
    return unplaced("ReplicasInvalid", "spec.replicas: a mirror has its two copies on two different hosts");
  const unknown = [a, b].find(({ hostName }) => !hosts.some(({ metadata }) => metadata.name === hostName));
  if (unknown !== undefined)
    return unplaced(
      "HostUnknown",
      `spec.replicas: there is no Host ${unknown.hostName}; start its agent, or name another`,
    );
  return { kind: "placed", sides: [a, b] };
}

function choose(
  mirror: Mirror,
  world: { readonly hosts: readonly Host[]; readonly volumeGroups: readonly VolumeGroup[] },
  kept: MirrorReplicaSource | undefined,
): Placement {
  const { hostSelector, volumeGroupSelector } = mirror.spec.placement ?? {};
  const needed = parseBytes(String(mirror.spec.size));
  const usable = new Set(
    world.hosts
      .filter(
        ({ spec, status }) =>
          !spec.unschedulable && spec.maintenance === "None" && isConditionTrue(status?.conditions, "Ready"),
      )
      .filter(
        ({ metadata }) =>
          hostSelector === undefined || matchesLabels(labelSelectorTerms(hostSelector), metadata.labels),
      )
      .map(({ metadata }) => metadata.name),
  );
  const roomy = world.volumeGroups
    .filter(
      ({ metadata }) =>
        volumeGroupSelector === undefined || matchesLabels(labelSelectorTerms(volumeGroupSelector), metadata.labels),
    )
    .filter(({ status, spec }) => spec.hostName !== undefined && usable.has(spec.hostName) && free(status) > needed)
    .filter(({ spec }) => spec.hostName !== kept?.hostName)
    .toSorted((a, b) => free(b.status) - free(a.status) || (a.metadata.name < b.metadata.name ? -1 : 1));
  const best = new Map<string, MirrorReplicaSource>();
  for (const { spec, metadata } of roomy)
    if (spec.hostName !== undefined && !best.has(spec.hostName))
      best.set(spec.hostName, { hostName: spec.hostName, volumeGroupRef: { name: metadata.name } });
  const [a, b] = [...(kept === undefined ? [] : [kept]), ...best.values()];
  if (a !== undefined && b !== undefined) return { kind: "placed", sides: [a, b] };
  return unplaced(
    "NoPlacement",
    `spec.placement: ${best.size}/${world.hosts.length} hosts are ready, match, and have a volume group with room for ${mirror.spec.size}; two are needed`,
  );
}

const free = (status: VolumeGroup["status"]): number => (status?.free === undefined ? 0 : parseBytes(status.free));
