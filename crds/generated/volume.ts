// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { FileSystem, ImageSource, LocalRef, NamespacedMeta, Quantity } from "./shared.ts";

/** An LVM logical volume, thick or thin, empty or with a file system, an image or a copy of another. */
export type Volume = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Volume";
  readonly metadata: NamespacedMeta;
  readonly spec: VolumeSpec;
  readonly status?: VolumeStatus;
};

/** What is wanted. */
export interface VolumeSpec {
  /** The VolumeGroup (cluster-scoped) that holds it. */
  readonly volumeGroupRef: LocalRef;
  /**
   * Size, rounded up to whole extents. It grows while in use; a smaller size is refused. A quantity such as 500Mi
   * or 1.5Ti.
   */
  readonly size: Quantity;
  /** Take space from the volume group's thin pool as it is written, instead of all at once. */
  readonly thin: boolean;
  /** Make this file system on it. Made only when the device holds nothing; grown with the device. */
  readonly fileSystem?: FileSystem;
  /**
   * What it starts with. When absent a thin volume reads as zeros, a thick one as what its place on the disk held
   * before.
   */
  readonly source?: VolumeDataSource;
  /** Take over a logical volume that exists, with its data. Nothing is made or overwritten. */
  readonly adopt?: VolumeAdoption;
  /**
   * What happens to the logical volume when this object is deleted. Delete removes it and its data; Retain takes
   * it out of use and keeps the data; Orphan leaves it as it is, running. Absent: Delete for what was created
   * here, Retain for what was adopted.
   */
  readonly deletionPolicy?: "Delete" | "Retain" | "Orphan";
}

/** Take over a logical volume that exists, with its data. Nothing is made or overwritten. */
export interface VolumeAdoption {
  /** Its LVM name; the name that would be chosen when absent. */
  readonly logicalVolumeName?: string;
}

/**
 * What it starts with. When absent a thin volume reads as zeros, a thick one as what its place on the disk held
 * before.
 */
export interface VolumeDataSource {
  /** Copy of this Snapshot. */
  readonly snapshotRef?: LocalRef;
  /** Copy of this Volume as it is when the copy starts; thin volumes are cloned at once. */
  readonly volumeRef?: LocalRef;
  /** Copy of a disk image in raw form. */
  readonly image?: ImageSource;
}

/** What is there. */
export interface VolumeStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Bound: a place in the volume group is reserved for it. Ready: the device is there, as
   * large as asked, and filled.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** The host that has it. */
  readonly hostName?: string;
  /** Block device on that host. */
  readonly devicePath?: string;
  /** LVM's UUID of it. */
  readonly uuid?: string;
  /** Real size. A quantity. */
  readonly capacity?: string;
}

export const VOLUMES: ResourceType<Volume> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Volume",
  plural: "volumes",
  namespaced: true,
};
