import type { DiskState, Role } from "../drbd/state.ts";
import type { ModelDisk } from "./disk.ts";

/** Replication states that matter while connected; `Off` otherwise. */
export type Replication =
  | "Off"
  | "Established"
  | "WFBitMapS"
  | "WFBitMapT"
  | "SyncSource"
  | "SyncTarget"
  | "VerifyS"
  | "VerifyT";

/** Order of DRBD's disk states: comparisons in its source are on these numbers. */
const RANK: Readonly<Record<DiskState, number>> = {
  Diskless: 0,
  Attaching: 1,
  Detaching: 1,
  Failed: 2,
  Negotiating: 3,
  Inconsistent: 4,
  Outdated: 5,
  DUnknown: 6,
  Consistent: 7,
  UpToDate: 8,
};
export const rank = (state: DiskState): number => RANK[state];

/** One write on its way. The writer hears of it once, by `done`. */
export interface ModelWrite {
  readonly block: number;
  localPending: boolean;
  localFailed: boolean;
  netPending: boolean;
  netFailed: boolean;
  readonly done: (ok: boolean) => void;
}

export const newWrite = (block: number, done: ModelWrite["done"]): ModelWrite => ({
  block,
  localPending: false,
  localFailed: true,
  netPending: false,
  netFailed: true,
  done,
});

export interface ModelOptions {
  readonly twoPrimaries: boolean;
  /** resource-and-stonith: freeze and ask; dont-care: go on. */
  readonly fencing: string;
  readonly onNoData: string;
  readonly onIoError: string;
  readonly diskPath: string;
  readonly minor: number;
}

/** One resource in one host's kernel. A reboot forgets it; the metadata stays on the disk. */
export class ModelReplica {
  readonly name: string;
  readonly host: string;
  options: ModelOptions;
  disk: ModelDisk | undefined;
  diskState: DiskState = "Diskless";
  role: Role = "Secondary";
  peerRole: Role = "Unknown";
  peerDisk: DiskState = "DUnknown";
  net: "StandAlone" | "Connecting" | "Connected" = "StandAlone";
  replication: Replication = "Off";
  /** The connection that this side believes in; the other side may have lost it already. */
  session: object | undefined;
  /** Losses so far: an exit code of an earlier loss is ignored. */
  connectCount = 0;
  suspendedFencing = false;
  suspendedNoData = false;
  suspendedUser = false;
  /** A new generation is due as soon as I/O is released. */
  owesGeneration = false;
  openers = 0;
  /** Generation that readers of this side have seen: a Diskless primary takes no other. */
  exposed = 0n;
  readonly inFlight = new Set<ModelWrite>();
  readonly blocked: ModelWrite[] = [];
  hasMinor = false;
  /** Gives up its changes when the next handshake finds a split brain. */
  discardMyData = false;

  constructor(name: string, host: string, options: ModelOptions) {
    this.name = name;
    this.host = host;
    this.options = options;
  }

  /** The same side on a disk of its own, which holds the same. Only for one that nothing is on its way of. */
  copy(disk: ModelDisk): ModelReplica {
    const { inFlight, blocked, session: _, ...state } = this;
    if (inFlight.size > 0 || blocked.length > 0) throw new RangeError(`${this.name} is not at rest`);
    return Object.assign(new ModelReplica(this.name, this.host, this.options), state, { disk });
  }

  get attached(): boolean {
    return this.disk !== undefined && rank(this.diskState) >= rank("Negotiating");
  }

  get suspended(): boolean {
    return this.suspendedFencing || this.suspendedNoData || this.suspendedUser;
  }

  /** What a reader of the device sees; `undefined`: nothing can be read here now. */
  readable(peer: ModelReplica | undefined): ReadonlySet<number> | undefined {
    if (this.role !== "Primary" || this.suspended) return undefined;
    if (this.disk !== undefined && rank(this.diskState) >= rank("Consistent")) return this.disk.blocks;
    const remote = this.net === "Connected" && this.session === peer?.session ? peer?.disk : undefined;
    return remote !== undefined && this.peerDisk === "UpToDate" ? remote.blocks : undefined;
  }
}
