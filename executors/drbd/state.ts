/** Disk states of DRBD 8.4 and 9, from worst to best. */
export type DiskState =
  | "Diskless"
  | "Attaching"
  | "Detaching"
  | "Failed"
  | "Negotiating"
  | "Inconsistent"
  | "Outdated"
  | "DUnknown"
  | "Consistent"
  | "UpToDate";

export type Role = "Primary" | "Secondary" | "Unknown";

/** What the kernel says of one resource with one volume and one peer. */
export interface ResourceState {
  readonly name: string;
  readonly role: Role;
  /** Why I/O is suspended (`fencing`, `no-data`, `user`); empty: it is not. */
  readonly suspended: readonly string[];
  readonly connection: ConnectionState | undefined;
  readonly device: DeviceState | undefined;
}

export interface ConnectionState {
  /** StandAlone, Connecting (WFConnection), Connected, …: DRBD 8.4's own words. */
  readonly state: string;
  readonly peerRole: Role;
  readonly peerDiskState: DiskState;
  /** Established, SyncSource, SyncTarget, PausedSyncS, VerifyS, …; Off when not connected. */
  readonly replication: string;
  readonly outOfSyncBytes: number;
}

export interface DeviceState {
  readonly minor: number;
  readonly diskState: DiskState;
  /** Usable size; 0 while nothing is attached. */
  readonly sizeBytes: number;
}
