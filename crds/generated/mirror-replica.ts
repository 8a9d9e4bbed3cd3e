// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { FileSystem, LocalRef, NamespacedMeta, Quantity, ResyncProgress, SecretRef } from "./shared.ts";

/**
 * One host's side of a Mirror. Made and written by the mirror controller; the host's agent makes it so and
 * reports.
 */
export type MirrorReplica = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "MirrorReplica";
  readonly metadata: NamespacedMeta;
  readonly spec: MirrorReplicaSpec;
  readonly status?: MirrorReplicaStatus;
};

/** What the mirror controller asks of this side. */
export interface MirrorReplicaSpec {
  /** The Mirror it belongs to. */
  readonly mirrorRef: LocalRef;
  /** The host that keeps this side. */
  readonly hostName: string;
  /** The host that keeps the other side. */
  readonly peerHostName: string;
  /** Usable size of the mirrored device. A quantity such as 500Mi or 1.5Ti. */
  readonly size: Quantity;
  /** Whether the device may be used on this host. */
  readonly role: "Primary" | "Secondary";
  /** Whether this side talks to the other. */
  readonly connect: boolean;
  /** DRBD device minor; the device is /dev/drbd<minor>. */
  readonly minor: number;
  /** TCP port of the replication link, on both hosts. */
  readonly port: number;
  /** This host's end of the replication link. An IPv4 or IPv6 address. */
  readonly address: string;
  /** The other host's end. An IPv4 or IPv6 address. */
  readonly peerAddress: string;
  /** What the copy is kept on. */
  readonly backing: ReplicaBacking;
  /**
   * Part of this side in the first common data generation. Source: its data is what counts; Target: it is
   * overwritten; Skip: both sides provably read as zeros. Absent: the generation is set, metadata is never made
   * again.
   */
  readonly firstGeneration?: "Source" | "Target" | "Skip";
  /** Its backing device holds the mirror's source: data that is there to be kept. */
  readonly filled?: boolean;
  /** Compare the two copies. */
  readonly verify?: VerifyOrder;
  /**
   * Make this file system on the mirrored device, once. Made only when the device holds nothing; grown with the
   * device.
   */
  readonly fileSystem?: FileSystem;
  /** After a split brain: give up what was written here since. */
  readonly discard?: boolean;
  /** Whether the other side may be primary too, for the moment of a live migration. */
  readonly twoPrimaries: boolean;
  /** A failover's order to this side to become primary without the other. */
  readonly takeover?: TakeoverOrder;
  /** DRBD's own settings, the same on both sides. */
  readonly options: DrbdOptions;
  /** Secret with the key sharedSecret. */
  readonly sharedSecretRef?: SecretRef;
}

/** DRBD's own settings, the same on both sides. */
export interface DrbdOptions {
  /**
   * Most that a resynchronisation may transfer in a second; DRBD adapts to the load when absent. A quantity such
   * as 500Mi or 1.5Ti.
   */
  readonly resyncRate?: Quantity;
  /** Areas of 4 MiB that may be written to at once; all are compared after a crash. */
  readonly activityLogExtents: number;
  /** How long between attempts to connect. In milliseconds. */
  readonly connectIntervalMilliseconds: number;
  /** How often an idle peer is asked for a sign of life. In milliseconds. */
  readonly pingIntervalMilliseconds: number;
  /** How long a peer may take to answer before the link counts as lost. In milliseconds. */
  readonly timeoutMilliseconds: number;
}

/** A failover's order to this side to become primary without the other. */
export interface TakeoverOrder {
  /** Epoch of the HostPair that the order was given for. */
  readonly epoch: number;
}

/** Compare the two copies. */
export interface VerifyOrder {
  /** Each order is carried out once. */
  readonly order: string;
}

/** What the copy is kept on. */
export interface ReplicaBacking {
  /** A Volume on this host. */
  readonly volumeRef?: LocalRef;
  /** A device of this host. */
  readonly device?: string;
}

/** What the agent saw. */
export interface MirrorReplicaStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Ready: this side does what is asked. DiskAttached: its disk is in use. Connected: it
   * talks to the other side. NeedsReboot: the kernel holds on to the device and only a reboot lets go.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** Primary or Secondary, as DRBD says. */
  readonly role?: string;
  /** State of its own disk, as DRBD says: UpToDate, Outdated, Inconsistent, Diskless … */
  readonly diskState?: string;
  /** State of the connection, as DRBD says: Connected, WFConnection, StandAlone, SyncSource … */
  readonly connectionState?: string;
  /** Role of the other side, as DRBD says. */
  readonly peerRole?: string;
  /** State of the other side's disk, as DRBD says. */
  readonly peerDiskState?: string;
  /** DRBD's current data generation, 16 hexadecimal digits. */
  readonly currentUUID?: string;
  /** Whether I/O is frozen. */
  readonly suspended?: boolean;
  /** Bytes that the other side lacks. */
  readonly outOfSyncBytes?: number;
  /** Running resynchronisation; absent when there is none. */
  readonly resync?: ResyncProgress;
  /** Whether DRBD metadata is on the backing device. */
  readonly metadataMade?: boolean;
  /** Whether its disk was ever less than UpToDate since it last became a member. */
  readonly everNotUpToDate?: boolean;
  /** The last comparison that began here. */
  readonly verify?: ReplicaVerify;
  /** The file system on the mirrored device. */
  readonly fileSystem?: ReplicaFileSystem;
  /** Block device on this host. */
  readonly devicePath?: string;
  /** Real usable size. A quantity. */
  readonly capacity?: string;
}

/** The file system on the mirrored device. */
export interface ReplicaFileSystem {
  /** Written before it is made: what a crash left half made is made again, and nothing else. */
  readonly state: "Making" | "Made";
  /** Size of the device that it fills. */
  readonly deviceBytes?: number;
}

/** The last comparison that began here. */
export interface ReplicaVerify {
  /** Which order it answers: the time at which it was given. */
  readonly order: string;
  /** How far it is. Interrupted: the connection broke, or the agent restarted, before the end; it begins again. */
  readonly state: "Ordered" | "Running" | "Finished" | "Interrupted";
  /** When it began. */
  readonly startTime?: string;
  /** When it ended. */
  readonly finishTime?: string;
  /** What differs between the two copies, once finished. */
  readonly outOfSyncBytes?: number;
}

export const MIRROR_REPLICAS: ResourceType<MirrorReplica> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "MirrorReplica",
  plural: "mirrorreplicas",
  namespaced: true,
};
