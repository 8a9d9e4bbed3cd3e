import type { Volume } from "../../crds/generated/volume.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import { parseBytes } from "../../machinery/quantity.ts";

/** LVM's default; used until the agent has reported the real one. */
const DEFAULT_EXTENT_BYTES = 4 * 2 ** 20;

const bytes = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : parseBytes(String(quantity));

/** What a Volume takes out of its group, in whole extents: what it asks for, or what it has when that is more. */
export function claimedBytes(volume: Volume, group: VolumeGroup): number {
  const extent = bytes(group.status?.extentSize) || DEFAULT_EXTENT_BYTES;
  const asked = Math.ceil(bytes(volume.spec.size) / extent) * extent;
  return Math.max(asked, bytes(volume.status?.capacity));
}

export interface Capacity {
  readonly sizeBytes: number;
  /** Of the thick Volumes and the thin pool. */
  readonly claimedBytes: number;
  /** Thin Volumes at their full size; may exceed the pool. */
  readonly thinBytes: number;
}

/** What a volume group has and what is promised of it, counted from the API objects and never from LVM. */
export function capacityOf(group: VolumeGroup, bound: readonly Volume[]): Capacity {
  const sum = (volumes: readonly Volume[]) => volumes.reduce((total, volume) => total + claimedBytes(volume, group), 0);
  return {
    sizeBytes: bytes(group.status?.size),
    claimedBytes: sum(bound.filter(({ spec }) => !spec.thin)) + bytes(group.spec.thinPool?.size),
    thinBytes: sum(bound.filter(({ spec }) => spec.thin)),
  };
}
