// Made by hack/generate from crds/definitions/. Do not edit.

import type { Condition } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type {
  FileSystem,
  ImageSource,
  LabelSelector,
  LocalRef,
  NamespacedMeta,
  Quantity,
  ResyncProgress,
  SecretRef,
} from "./shared.ts";

/**
 * A block device kept identical on two hosts by DRBD. A write is acknowledged when both have it; when one host is
 * lost the other goes on with all acknowledged writes.
 */
export type Mirror = {
  readonly apiVersion: "ferrite.dev/v1alpha1";
  readonly kind: "Mirror";
  readonly metadata: NamespacedMeta;
  readonly spec: MirrorSpec;
  readonly status?: MirrorStatus;
};

/** What is wanted. */
export interface MirrorSpec {
  /** Usable size. It grows while in use; a smaller size is refused. A quantity such as 500Mi or 1.5Ti. */
  readonly size: Quantity;
  /** The two hosts and what each keeps its copy on. */
  readonly replicas?: readonly MirrorReplicaSource[];
  /** Let the controller choose two hosts; its choice stands in status.replicas. */
  readonly placement?: MirrorPlacement;
  /** Make the logical volumes thin. */
  readonly thin: boolean;
  /** Where the device is preferably in use. */
  readonly primary?: PreferredPrimary;
  /** Whether both hosts may have the device open for the moment of a live migration. */
  readonly allowTwoPrimaries: "Never" | "DuringMigration";
  /**
   * Most that a resynchronisation may transfer in a second; DRBD adapts to the load when absent. A quantity such
   * as 500Mi or 1.5Ti.
   */
  readonly resyncRate?: Quantity;
  /** When the two copies are compared, as five cron fields in UTC; never when absent. */
  readonly verifySchedule?: string;
  /** Any word; another word has the two copies compared once, now. */
  readonly verifyRequest?: string;
  /** Secret with the key sharedSecret, by which the two sides know each other. */
  readonly sharedSecretRef?: SecretRef;
  /** Make this file system on the mirrored device. Made only when the device holds nothing; grown with the device. */
  readonly fileSystem?: FileSystem;
  /** What it starts with. */
  readonly source?: MirrorDataSource;
  /** A person's decision after a split brain. */
  readonly splitBrain?: SplitBrainResolution;
  /**
   * What happens to both copies when this object is deleted. Delete removes it and its data; Retain takes it out
   * of use and keeps the data; Orphan leaves it as it is, running. Absent: Delete for what was created here,
   * Retain for what was adopted.
   */
  readonly deletionPolicy?: "Delete" | "Retain" | "Orphan";
}

/** A person's decision after a split brain. */
export interface SplitBrainResolution {
  /** The host whose changes since the split are given up. Its copy is overwritten. */
  readonly victim: string;
}

/** What it starts with. */
export interface MirrorDataSource {
  /** Copy of this Snapshot. */
  readonly snapshotRef?: LocalRef;
  /** Copy of this Volume as it is when the copy starts; thin volumes are cloned at once. */
  readonly volumeRef?: LocalRef;
  /** Copy of a disk image in raw form. */
  readonly image?: ImageSource;
}

/** Where the device is preferably in use. */
export interface PreferredPrimary {
  /** The host. */
  readonly hostName: string;
}

/** Let the controller choose two hosts; its choice stands in status.replicas. */
export interface MirrorPlacement {
  /** Hosts that may be chosen. */
  readonly hostSelector?: LabelSelector;
  /** VolumeGroups that may be chosen. */
  readonly volumeGroupSelector?: LabelSelector;
}

/** One side. */
export interface MirrorReplicaSource {
  /** The host. */
  readonly hostName: string;
  /** The VolumeGroup of that host in which a logical volume is made for it. */
  readonly volumeGroupRef?: LocalRef;
  /** A device of that host, used as a whole. */
  readonly device?: string;
}

/** What is there. */
export interface MirrorStatus {
  /** metadata.generation that the writer of Ready acted on last. */
  readonly observedGeneration?: number;
  /**
   * The state in words. Ready: the device is usable on the primary. InSync: both copies are up to date. Degraded:
   * only one copy is up to date: losing its host loses the device. SplitBrain: both sides were written
   * separately; nothing is discarded before spec.splitBrain says which. Verified: what the last comparison of the
   * two copies found; absent while none was asked for.
   */
  readonly conditions?: readonly Readonly<Condition>[];
  /** The host that has the device in use. */
  readonly primary?: string;
  /** Hosts that hold every acknowledged write, copied from the HostPair. */
  readonly members?: readonly string[];
  /** How far the two copies' first common data generation has come. */
  readonly firstGeneration?: FirstGeneration;
  /** The two sides, copied from the MirrorReplicas every few seconds. */
  readonly replicas?: readonly MirrorReplicaState[];
  /** The last comparison of the two copies. */
  readonly verify?: MirrorVerify;
  /** The file system of spec.fileSystem. */
  readonly fileSystem?: MirrorFileSystem;
  /** What became of spec.splitBrain. A word counts once: for another split brain remove it, and give it anew. */
  readonly splitBrain?: SplitBrainState;
  /** Block device on the primary. */
  readonly devicePath?: string;
  /** Real usable size. A quantity. */
  readonly capacity?: string;
}

/** What became of spec.splitBrain. A word counts once: for another split brain remove it, and give it anew. */
export interface SplitBrainState {
  /** The host that it named. */
  readonly victim: string;
  /**
   * Ordered: that host gives up its changes. Done: the two sides share one history again. Void: it was given
   * while there was no split brain, and counts for none.
   */
  readonly state: "Ordered" | "Done" | "Void";
}

/** The file system of spec.fileSystem. */
export interface MirrorFileSystem {
  /** Written before it is made: what a crash left half made is made again, and nothing else. */
  readonly state: "Making" | "Made";
  /** Size of the device that it fills. */
  readonly deviceBytes?: number;
}

/** The last comparison of the two copies. */
export interface MirrorVerify {
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
  /** When it was ordered, by spec.verifySchedule or spec.verifyRequest. */
  readonly orderedTime?: string;
  /** The last spec.verifyRequest that was acted on. */
  readonly request?: string;
}

/** One side. */
export interface MirrorReplicaState {
  /** The host. */
  readonly hostName: string;
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
}

/** How far the two copies' first common data generation has come. */
export interface FirstGeneration {
  /** Written before each step is taken, so that no step is taken twice. */
  readonly state: "Planned" | "SourceMetadataMade" | "BothMetadataMade" | "GenerationSet";
  /** The host whose data is the first generation. */
  readonly hostName?: string;
  /** The data generation, once set. */
  readonly uuid?: string;
}

export const MIRRORS: ResourceType<Mirror> = {
  group: "ferrite.dev",
  version: "v1alpha1",
  kind: "Mirror",
  plural: "mirrors",
  namespaced: true,
};
