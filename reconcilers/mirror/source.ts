import type { Mirror, MirrorReplicaSource } from "../../crds/generated/mirror.ts";
import type { MirrorDeps } from "./deps.ts";

/**
 * Why the mirror's source cannot fill the side that begins. The logical volume of that side is made as a copy of it, before DRBD
 * puts its metadata behind it: so the source lies in the same volume group, or is an image.
 */
export function sourceProblem(
  deps: Pick<MirrorDeps, "volumes" | "snapshots">,
  mirror: Mirror,
  sides: readonly MirrorReplicaSource[],
  host: string | undefined,
): string | undefined {
  const { source } = mirror.spec;
  const side = sides.find(({ hostName }) => hostName === host);
  if (source === undefined || side === undefined) return undefined;
  if (side.volumeGroupRef === undefined)
    return `spec.source: ${side.hostName} keeps its copy on the device ${side.device}; only a side in a volume group can be filled`;
  if (source.image !== undefined) return undefined;
  const { namespace } = mirror.metadata;
  const named = source.snapshotRef ?? source.volumeRef;
  const origin =
    source.snapshotRef === undefined
      ? source.volumeRef
      : deps.snapshots.get({ namespace, name: source.snapshotRef.name })?.spec.volumeRef;
  const volume = origin && deps.volumes.get({ namespace, name: origin.name });
  if (volume === undefined) return `spec.source: ${named?.name} is not there`;
  const group = volume.spec.volumeGroupRef.name;
  if (group === side.volumeGroupRef.name) return undefined;
  const other = sides.find(({ volumeGroupRef }) => volumeGroupRef?.name === group);
  return other === undefined
    ? `spec.source: ${named?.name} lies in VolumeGroup ${group}, in which this mirror has no side`
    : `spec.source: ${named?.name} lies in VolumeGroup ${group}, and ${side.hostName} was to begin: make the mirror with ${other.hostName} as its primary`;
}
