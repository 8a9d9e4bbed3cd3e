// Made by hack/generate from crds/definitions/. Do not edit.

import type { ResourceType } from "../../machinery/resource-type.ts";
import type { ClusterMeta } from "./shared.ts";

/**
 * The record by which two hosts that mirror to each other decide who may go on alone. Its status is written by
 * the two agents only, by PUT with a resourceVersion: every write is a compare-and-set.
 */
export type HostPair = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "HostPair";
  readonly metadata: ClusterMeta;
  readonly spec: HostPairSpec;
  readonly status?: HostPairStatus;
};

/** Which two hosts. */
export interface HostPairSpec {
  /** The two hosts, in alphabetical order. */
  readonly hosts: readonly string[];
  /**
   * A person's word on which host holds the right data, where the hosts cannot prove it: of all mirrors after the
   * store was restored from a snapshot, or of one mirror whose only member is in doubt. The other one is filled
   * from it. Means exactly one record, and nothing once that has changed.
   */
  readonly trust?: HostPairTrust;
}

/**
 * A person's word on which host holds the right data, where the hosts cannot prove it: of all mirrors after the
 * store was restored from a snapshot, or of one mirror whose only member is in doubt. The other one is filled
 * from it. Means exactly one record, and nothing once that has changed.
 */
export interface HostPairTrust {
  /** The host whose data is right. */
  readonly hostName: string;
  /** The record's status.incarnation as it is now. */
  readonly incarnation: string;
  /** The record's status.epoch as it is now; with mirror. */
  readonly epoch?: number;
  /** The mirror that is in doubt; left out: all of them, after the store was restored. */
  readonly mirror?: TrustedMirror;
}

/** The mirror that is in doubt; left out: all of them, after the store was restored. */
export interface TrustedMirror {
  /** Its namespace. */
  readonly namespace: string;
  /** Its name. */
  readonly name: string;
}

/** The decisions. */
export interface HostPairStatus {
  /** Number of the decision; grows by exactly 1 with each. */
  readonly epoch: number;
  /** Which life of the store this is; another one after a restore from a snapshot. */
  readonly incarnation: string;
  /** The mirrors between the two hosts and who holds their data. */
  readonly mirrors: readonly HostPairMirror[];
  /** The latest decision. */
  readonly decision: HostPairDecision;
}

/** The latest decision. */
export interface HostPairDecision {
  /** Random, so that its writer knows its own write again. */
  readonly nonce: string;
  /** The host that decided. */
  readonly by: string;
  /** Boot of that host in which it decided. */
  readonly bootID: string;
  /** Why, as one CamelCase word. */
  readonly reason: string;
  /** When, by that host's clock; for people only. */
  readonly time: string;
}

/** One mirror. */
export interface HostPairMirror {
  /** Namespace of the Mirror. */
  readonly namespace: string;
  /** Name of the Mirror. */
  readonly name: string;
  /** UID of the Mirror. */
  readonly uid: string;
  /** Hosts that hold every acknowledged write. A host outside may not be promoted. */
  readonly members: readonly string[];
  /**
   * Hosts that have restarted and not met the other one since. One that is a member stays one, and meets nobody
   * before the other side has gone on without it or has answered; one that is not becomes none before they have
   * met.
   */
  readonly restarted?: readonly string[];
  /**
   * The only member knows that it may lack acknowledged writes: nothing is promoted before a person says in
   * spec.trust which copy counts.
   */
  readonly inDoubt?: boolean;
  /** Hosts whose copy a person gave up: it begins anew, with a full resync, and is no member before. */
  readonly discarded?: readonly string[];
  /** The host that may write; absent when none may. */
  readonly primary?: string;
  /** DRBD's data generation that the members have. */
  readonly dataUUID?: string;
  /** A live migration in which both hosts have the device open. */
  readonly window?: MigrationWindow;
}

/** A live migration in which both hosts have the device open. */
export interface MigrationWindow {
  /** The host that the guest leaves. */
  readonly from: string;
  /** The host that the guest goes to. */
  readonly to: string;
}

export const HOST_PAIRS: ResourceType<HostPair> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "HostPair",
  plural: "hostpairs",
  namespaced: false,
};
