import type { HostPairMirror } from "../../crds/generated/host-pair.ts";
import type { ObservedReplica } from "../../executors/drbd/observe.ts";

/** Remembers, durably, which copies of this host may lack an acknowledged write; keyed by the Mirror's uid. */
export interface LagMemory {
  lags(uid: string, minor: number): Promise<boolean>;
  mark(uid: string): Promise<void>;
  /** Whether the kernel's helper left a tombstone: this disk failed a write. */
  diskFailed(minor: number): Promise<boolean>;
  /** Whether this copy was the only member at a time when it lacked nothing, and no other one joined since. */
  wasAlone(uid: string): boolean;
  /** Durable before it resolves. */
  noteAlone(uid: string, alone: boolean): Promise<void>;
  /** Forgets the mark. */
  clear(uid: string): Promise<void>;
  /** Forgets the failed disk, once nothing of what it held is believed any more. */
  bury(minor: number): Promise<void>;
}

/** States in which the disk takes part in no write, or in which writes are known to be missing. */
const BEHIND = new Set(["Diskless", "Failed", "Detaching", "Inconsistent", "Outdated"]);

/**
 * Whether this copy may lack a write that the record still credits it with. It is marked on this host's own disk before
 * anything else happens, for the record may be out of reach; the mark goes only once the record shows it out. A healed
 * disk alone proves nothing.
 */
export async function updateLag(
  parts: {
    readonly uid: string;
    readonly minor: number;
    readonly me: string;
    readonly entry: HostPairMirror | undefined;
    readonly observed: ObservedReplica;
  },
  memory: LagMemory,
): Promise<boolean> {
  const { uid, minor, me, entry, observed } = parts;
  const disk = observed.kernel?.device?.diskState;
  if (entry === undefined) return false;
  const isMember = entry.members.includes(me);
  const alone = isMember && entry.members.length === 1;
  if (isMember && disk !== undefined && BEHIND.has(disk)) {
    if (!alone) await memory.mark(uid);
    return !memory.wasAlone(uid);
  }
  if (!alone) await memory.noteAlone(uid, false);
  if (!(await memory.lags(uid, minor))) {
    if (alone) await memory.noteAlone(uid, true);
    return false;
  }
  // What an only member's disk failed nobody else has either: it is as good as any copy.
  if (isMember) return !memory.wasAlone(uid);
  await memory.clear(uid);
  return false;
}
