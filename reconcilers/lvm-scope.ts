import type { MirrorReplica } from "../crds/generated/mirror-replica.ts";
import type { VolumeGroup } from "../crds/generated/volume-group.ts";
import type { ObjectReader } from "./object-access.ts";

/** LVM's name of a volume group. */
export const lvmGroupName = ({ metadata, spec }: VolumeGroup): string => spec.adopt?.volumeGroupName ?? metadata.name;

export interface ScopeSources {
  readonly hostName: string;
  readonly volumeGroups: ObjectReader<VolumeGroup>;
  /** The sides of mirrors on this host. */
  readonly replicas: ObjectReader<MirrorReplica>;
}

/**
 * What this host may do with a volume group now. A group on a mirror is used where the mirror is primary and is to stay it. `leave`:
 * the primary is to move away, so the group goes out of use first. `frozen`: every access would wait, LVM's too, and with it that to
 * all other groups. `elsewhere`: nothing of it is to be touched here.
 */
export type GroupUse = "use" | "leave" | "frozen" | "elsewhere";

export function groupUse(group: VolumeGroup, sources: Pick<ScopeSources, "hostName" | "replicas">): GroupUse {
  const { hostName, physicalVolumes } = group.spec;
  if (hostName !== undefined) return hostName === sources.hostName ? "use" : "elsewhere";
  const uses = physicalVolumes.map(({ mirrorRef }) => mirrorUse(replicaHere(mirrorRef, sources)));
  return (["elsewhere", "frozen", "leave"] as const).find((use) => uses.includes(use)) ?? "use";
}

/** Asked for and observed: a side that is to become secondary lets go at once. */
function mirrorUse(replica: MirrorReplica | undefined): GroupUse {
  if (replica?.status?.role !== "Primary") return "elsewhere";
  if (replica.status.suspended === true) return "frozen";
  return replica.spec.role === "Primary" && replica.metadata.deletionTimestamp === undefined ? "use" : "leave";
}

type MirrorRef = VolumeGroup["spec"]["physicalVolumes"][number]["mirrorRef"];

const replicaHere = (mirrorRef: MirrorRef, { hostName, replicas }: Pick<ScopeSources, "hostName" | "replicas">) =>
  replicas
    .list()
    .find(
      ({ metadata, spec }) =>
        spec.hostName === hostName &&
        metadata.namespace === mirrorRef?.namespace &&
        spec.mirrorRef.name === mirrorRef.name,
    );

/** The devices that a volume group should be made of, as paths on this host. */
export function groupDevices(
  { spec }: VolumeGroup,
  sources: Pick<ScopeSources, "hostName" | "replicas">,
): readonly string[] {
  return spec.physicalVolumes.flatMap(({ device, mirrorRef }) => {
    const path = mirrorRef === undefined ? device : replicaHere(mirrorRef, sources)?.status?.devicePath;
    return path === undefined ? [] : [path];
  });
}

/**
 * All devices that LVM may look at on this host: what the VolumeGroups here are made of, and were made of when last
 * seen. Everything else is invisible to it: what a guest or a mirror keeps inside a volume is never taken for ours.
 */
export function lvmScope(sources: ScopeSources): readonly string[] {
  const here = sources.volumeGroups.list().filter((group) => ["use", "leave"].includes(groupUse(group, sources)));
  const devices = here.flatMap((group) => [
    ...groupDevices(group, sources),
    ...(group.status?.physicalVolumes ?? []).flatMap(({ device, state }) =>
      device === undefined || state !== "Present" ? [] : [device],
    ),
  ]);
  return [...new Set(devices)];
}

/** Ready's reason of what lies in a group that goes out of use here: nobody may keep it open. */
export const GROUP_LEAVES = "GroupLeaves";

/** Why what lies in a group cannot be worked on here now; `undefined`: it can. */
export function groupProblem(
  group: VolumeGroup,
  sources: Pick<ScopeSources, "hostName" | "replicas">,
): { readonly reason: string; readonly message: string } | undefined {
  const use = groupUse(group, sources);
  const name = group.metadata.name;
  if (use === "use") return undefined;
  if (use === "frozen")
    return { reason: "Suspended", message: `the mirror below VolumeGroup ${name} is frozen on ${sources.hostName}` };
  return {
    reason: GROUP_LEAVES,
    message: `VolumeGroup ${name} follows the primary of its mirror, which is not to be ${sources.hostName}`,
  };
}
