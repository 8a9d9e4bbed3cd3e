import type { HostPairMirror } from "../../crds/generated/host-pair.ts";
import type { Mirror } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import type { ObservedReplica } from "../../executors/drbd/observe.ts";
import type { ObjectReader } from "../object-access.ts";

/** Remembers, durably, which copies of this host may lack an acknowledged write; keyed by the Mirror's uid. */
export interface LagMemory {
  lags(uid: string, minor: number): Promise<boolean>;
  mark(uid: string): Promise<void>;
  /** Whether the kernel's helper left a tombstone: this disk failed a write. */
  diskFailed(minor: number): Promise<boolean>;
  /** Forgets the mark. */
  clear(uid: string): Promise<void>;
  /** Forgets the failed disk, once nothing of what it held is believed any more. */
  bury(minor: number): Promise<void>;
}

/** Uids of the mirrors whose copy on this host may lack an acknowledged write. */
export async function copiesBehind(
  hostName: string,
  replicas: ObjectReader<MirrorReplica>,
  mirrors: ObjectReader<Mirror>,
  lag: Pick<LagMemory, "lags">,
): Promise<ReadonlySet<string>> {
  const behind = new Set<string>();
  for (const { metadata, spec } of replicas.list()) {
    if (spec.hostName !== hostName) continue;
    const uid = mirrors.get({ namespace: metadata.namespace, name: spec.mirrorRef.name })?.metadata.uid;
    if (uid !== undefined && (await lag.lags(uid, spec.minor))) behind.add(uid);
  }
  return behind;
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
  if (entry === undefined) {
    // Before the first generation there is nothing to lack.
    const empty = disk === "Inconsistent" && observed.kernel?.role === "Secondary";
    if (empty && (await memory.diskFailed(minor))) await memory.bury(minor);
    return false;
  }
  const isMember = entry.members.includes(me);
  const alone = isMember && entry.members.length === 1;
  // When its disk failed, DRBD counted what the peer lacked: the peer had less, has not come into step since, and served nobody.
  const onlyCopy = alone && observed.bitmapUUID !== undefined;
  // Without its disk since the machine came up, an only member has served nobody: what its disk lacks is known from before.
  const idle = alone && disk === "Diskless" && observed.kernel?.role === "Secondary";
  if (isMember && disk !== undefined && BEHIND.has(disk) && !idle) {
    if (!alone) await memory.mark(uid);
    // The proof is on the disk now; attached, it is gone as soon as the peer has come into step.
    if (onlyCopy && (await memory.diskFailed(minor))) await memory.bury(minor);
    return !onlyCopy;
  }
  if (!(await memory.lags(uid, minor))) return false;
  if (isMember && !onlyCopy) return true;
  await memory.clear(uid);
  // What the only copy's disk failed nobody else has either: as soon as it works again it is as good as it was.
  if (onlyCopy && disk !== undefined) await memory.bury(minor);
  return false;
}
