// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { ClusterMeta, NamespacedRef, Quantity } from "./shared.ts";

/** An LVM volume group, on disks of one host or on one mirrored device (then it follows the mirror's primary). */
export type VolumeGroup = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "VolumeGroup";
  readonly metadata: ClusterMeta;
  readonly spec: VolumeGroupSpec;
  readonly status?: VolumeGroupStatus;
};

/** What the volume group is made of. */
export interface VolumeGroupSpec {
  /** The host whose disks it is on; left out when it is on a Mirror. */
  readonly hostName?: string;
  /**
   * The devices it is made of. A device that is added is taken in; one that is taken off the list is emptied onto
   * the others first, and stays when they cannot take it.
   */
  readonly physicalVolumes: readonly PhysicalVolumeSource[];
  /** A thin pool in this volume group, for thin Volumes; made when set. */
  readonly thinPool?: ThinPoolSpec;
  /** Take over a volume group that exists, as it is. Nothing is made or overwritten. */
  readonly adopt?: VolumeGroupAdoption;
  /** Allow devices that hold something to be wiped. Without it such a device is refused. */
  readonly overwrite: boolean;
  /**
   * What happens to the volume group; absent means Retain when this object is deleted. Delete removes it and its
   * data; Retain takes it out of use and keeps the data; Orphan leaves it as it is, running. Absent: Delete for
   * what was created here, Retain for what was adopted.
   */
  readonly deletionPolicy?: "Delete" | "Retain" | "Orphan";
}

/** Take over a volume group that exists, as it is. Nothing is made or overwritten. */
export interface VolumeGroupAdoption {
  /** Its LVM name; the name of this object when absent. */
  readonly volumeGroupName?: string;
}

/** A thin pool in this volume group, for thin Volumes; made when set. */
export interface ThinPoolSpec {
  /** Size of the pool's data; it can grow, never shrink. A quantity such as 500Mi or 1.5Ti. */
  readonly size: Quantity;
  /**
   * Unit of allocation, a multiple of 64Ki between 64Ki and 1Gi; LVM chooses when absent. A quantity such as
   * 500Mi or 1.5Ti.
   */
  readonly chunkSize?: Quantity;
}

/** One physical volume. */
export interface PhysicalVolumeSource {
  /** A disk or partition of the host; prefer names under /dev/disk/by-id, which stay. */
  readonly device?: string;
  /** A Mirror whose device is the physical volume. */
  readonly mirrorRef?: NamespacedRef;
}

/** What is there. */
export interface VolumeGroupStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Ready: the volume group is there and can hold Volumes. PhysicalVolumesPresent: no
   * physical volume is missing. ThinPoolHealthy: the thin pool has room and needs no repair.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** The host that serves it now. */
  readonly hostName?: string;
  /** Its LVM name. */
  readonly volumeGroupName?: string;
  /** LVM's UUID of it. */
  readonly uuid?: string;
  /** Size. A quantity. */
  readonly size?: string;
  /** Not given to any logical volume. A quantity. */
  readonly free?: string;
  /** Sum of the Volumes bound to it, thin ones at their full size. A quantity. */
  readonly allocated?: string;
  /** Unit that LVM allocates in. A quantity. */
  readonly extentSize?: string;
  /** State of the thin pool. */
  readonly thinPool?: ThinPoolStatus;
  /** Its physical volumes. */
  readonly physicalVolumes?: readonly PhysicalVolumeStatus[];
}

/** One physical volume. */
export interface PhysicalVolumeStatus {
  /** LVM's UUID of it. */
  readonly uuid: string;
  /** Device; absent when it is missing and was never seen. */
  readonly device?: string;
  /** Present or Missing. */
  readonly state: string;
  /** Size. A quantity. */
  readonly size?: string;
  /** Not given to any logical volume. A quantity. */
  readonly free?: string;
}

/** State of the thin pool. */
export interface ThinPoolStatus {
  /** Size of its data. A quantity. */
  readonly size: string;
  /** How full its data is, in percent. */
  readonly dataPercent?: string;
  /** How full its metadata is, in percent. */
  readonly metadataPercent?: string;
}

export const VOLUME_GROUPS: ResourceType<VolumeGroup> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "VolumeGroup",
  plural: "volumegroups",
  namespaced: false,
};
