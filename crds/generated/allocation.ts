// Made by hack/generate from crds/definitions/. Do not edit.

import type { ResourceType } from "../../machinery/resource-type.ts";
import type { ClusterMeta } from "./shared.ts";

/**
 * A claim on something that must be unique in the cluster, named after it: drbd-minor-1007, drbd-port-7907,
 * export-vmimage001. Creating it is the claim; that it exists already means taken.
 */
export type Allocation = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Allocation";
  readonly metadata: ClusterMeta;
  readonly spec: AllocationSpec;
};

/** Whose it is. */
export interface AllocationSpec {
  /** The object that uses it. The claim goes when the owner is gone. */
  readonly owner: AllocationOwner;
}

/** The object that uses it. The claim goes when the owner is gone. */
export interface AllocationOwner {
  /** Kind. */
  readonly kind: string;
  /** Namespace. */
  readonly namespace: string;
  /** Name. */
  readonly name: string;
  /** UID. */
  readonly uid: string;
}

export const ALLOCATIONS: ResourceType<Allocation> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Allocation",
  plural: "allocations",
  namespaced: false,
};
