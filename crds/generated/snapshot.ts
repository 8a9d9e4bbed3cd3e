// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { LocalRef, NamespacedMeta, Quantity } from "./shared.ts";

/** An LVM snapshot of a Volume: the volume as it was, readable as a device of its own. */
export type Snapshot = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Snapshot";
  readonly metadata: NamespacedMeta;
  readonly spec: SnapshotSpec;
  readonly status?: SnapshotStatus;
};

/** What is wanted. */
export interface SnapshotSpec {
  /** The Volume to take the snapshot of. */
  readonly volumeRef: LocalRef;
  /**
   * Space for what changes in the volume afterwards; needed for thick volumes (a snapshot that fills up is lost),
   * not allowed for thin ones, whose snapshots share the pool. A quantity such as 500Mi or 1.5Ti.
   */
  readonly size?: Quantity;
}

/** What is there. */
export interface SnapshotStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /** The state in words. Ready: the snapshot is there and has not overflowed. */
  readonly conditions?: readonly Readonly<Condition>[];
  /** The host that has it. */
  readonly hostName?: string;
  /** Block device on that host. */
  readonly devicePath?: string;
  /** LVM's UUID of it. */
  readonly uuid?: string;
  /** Size of the volume when the snapshot was taken. A quantity. */
  readonly capacity?: string;
  /** How much of its space is used, in percent; thick only. */
  readonly usedPercent?: string;
  /** When it was taken. */
  readonly takenAt?: string;
}

export const SNAPSHOTS: ResourceType<Snapshot> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Snapshot",
  plural: "snapshots",
  namespaced: true,
};
