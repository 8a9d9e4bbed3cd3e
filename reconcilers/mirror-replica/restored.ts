import type { HostPair, HostPairMirror } from "../../crds/generated/host-pair.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";
import { observeKernel } from "../../executors/drbd/observe.ts";
import type { ResourceState } from "../../executors/drbd/state.ts";
import type { ReconcileContext } from "../../machinery/result.ts";
import type { Reading } from "../host-pair/arbiter.ts";
import { beginLife } from "../host-pair/decisions.ts";
import type { MirrorReplicaDeps } from "./reconcile.ts";

/**
 * The store was put back to the past, so its record proves nothing. It is believed again when the world proves it: every
 * mirror of the pair connected with both disks UpToDate; or when a person names the host whose data is right
 * (`spec.trust`), for this very record. A record that does not fit what is proved is written anew. Answers whether this
 * host believes the record now, and why.
 */
export async function believeRestored(
  deps: MirrorReplicaDeps,
  context: ReconcileContext,
  replica: MirrorReplica,
  { record }: Reading,
): Promise<string | undefined> {
  if (record?.status === undefined) return undefined;
  const { hostName: me, peerHostName: peer } = replica.spec;
  const { status } = record;
  const { mirrors } = status;
  const kernel = await observeKernel(deps.exec, context.signal);
  const proved = handshakes(mirrors, kernel, me, peer);
  const begin = async (entries: readonly HostPairMirror[], why: string) => {
    const decision = beginLife(status, entries);
    const outcome = await deps.arbiter.decide(record.metadata.name, decision, context.signal, { newLife: true });
    return outcome.kind === "won" ? why : undefined;
  };
  if (proved !== undefined) {
    const why = "both copies of every mirror of the pair are connected and up to date";
    // One of the two writes, the other sees that it is so.
    if (me < peer) return begin(proved, why);
    return mirrors.every((entry, at) => isSame(entry, proved[at])) && (await deps.arbiter.believe(record))
      ? why
      : undefined;
  }
  if (isTrusted(record, me))
    return begin(
      mirrors.map((entry) => onlyOn(entry, me, kernel)),
      `spec.trust names ${me}`,
    );
  // It grants this host nothing.
  const isOut = mirrors.every(({ members }) => !members.includes(me));
  return isOut && (await deps.arbiter.believe(record)) ? `${peer} alone holds every acknowledged write` : undefined;
}

const isTrusted = ({ spec, status }: HostPair, me: string): boolean =>
  spec.trust?.hostName === me && spec.trust.incarnation === status?.incarnation && spec.trust.mirror === undefined;

/** What the record should say, as the kernel proves it; `undefined`: it does not. */
function handshakes(
  mirrors: readonly HostPairMirror[],
  kernel: ReadonlyMap<string, ResourceState>,
  me: string,
  peer: string,
): readonly HostPairMirror[] | undefined {
  const proved: HostPairMirror[] = [];
  for (const entry of mirrors) {
    const state = kernel.get(resourceOf(entry));
    const { connection, device } = state ?? {};
    const whole =
      connection?.state === "Connected" &&
      connection.replication === "Established" &&
      connection.peerDiskState === "UpToDate" &&
      device?.diskState === "UpToDate";
    if (!whole) return undefined;
    const primary = state?.role === "Primary" ? me : connection.peerRole === "Primary" ? peer : undefined;
    const { primary: _, window: __, ...rest } = entry;
    proved.push({ ...rest, members: [me, peer].toSorted(), ...(primary === undefined ? {} : { primary }) });
  }
  return proved;
}

function onlyOn(entry: HostPairMirror, me: string, kernel: ReadonlyMap<string, ResourceState>): HostPairMirror {
  const { primary: _, window: __, ...rest } = entry;
  const isPrimary = kernel.get(resourceOf(entry))?.role === "Primary";
  return { ...rest, members: [me], ...(isPrimary ? { primary: me } : {}) };
}

const resourceOf = ({ namespace, name }: HostPairMirror): string => onDiskName(namespace, name);

const isSame = (a: HostPairMirror, b: HostPairMirror | undefined): boolean =>
  a.uid === b?.uid && a.primary === b.primary && a.window === undefined && a.members.join() === b.members.join();
