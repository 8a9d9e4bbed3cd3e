import type { Mirror } from "../crds/generated/mirror.ts";
import type { VolumeGroup } from "../crds/generated/volume-group.ts";
import type { ObjectReader } from "./object-access.ts";

/** LVM's name of a volume group. */
export const lvmGroupName = ({ metadata, spec }: VolumeGroup): string => spec.adopt?.volumeGroupName ?? metadata.name;

export interface ScopeSources {
  readonly hostName: string;
  readonly volumeGroups: ObjectReader<VolumeGroup>;
  readonly mirrors: ObjectReader<Mirror>;
}

/** The host that serves a volume group: the one whose disks it has, or the primary of the mirror it is on. */
export function servingHost({ spec }: VolumeGroup, mirrors: ObjectReader<Mirror>): string | undefined {
  if (spec.hostName !== undefined) return spec.hostName;
  const mirrorRef = spec.physicalVolumes[0]?.mirrorRef;
  return mirrorRef === undefined ? undefined : mirrors.get(mirrorRef)?.status?.primary;
}

/** The devices that a volume group should be made of, as paths on the host that serves it. */
export function groupDevices({ spec }: VolumeGroup, mirrors: ObjectReader<Mirror>): readonly string[] {
  return spec.physicalVolumes.flatMap(({ device, mirrorRef }) => {
    const path = mirrorRef === undefined ? device : mirrors.get(mirrorRef)?.status?.devicePath;
    return path === undefined ? [] : [path];
  });
}

/**
 * All devices that LVM may look at on this host: what the VolumeGroups here are made of, and were made of when last
 * seen. Everything else is invisible to it: what a guest or a mirror keeps inside a volume is never taken for ours.
 */
export function lvmScope({ hostName, volumeGroups, mirrors }: ScopeSources): readonly string[] {
  const here = volumeGroups.list().filter((group) => servingHost(group, mirrors) === hostName);
  const devices = here.flatMap((group) => [
    ...groupDevices(group, mirrors),
    ...(group.status?.physicalVolumes ?? []).flatMap(({ device, state }) =>
      device === undefined || state !== "Present" ? [] : [device],
    ),
  ]);
  return [...new Set(devices)];
}
