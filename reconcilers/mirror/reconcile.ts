import { API_VERSION, CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Mirror, MirrorReplicaSource } from "../../crds/generated/mirror.ts";
import type { HostPair, HostPairMirror } from "../../crds/generated/host-pair.ts";
import type { MirrorReplica, MirrorReplicaSpec } from "../../crds/generated/mirror-replica.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import { onDiskName, onDiskNameProblem } from "../../crds/on-disk-name.ts";
import { internalMetadataBytes } from "../../executors/drbd/metadata-size.ts";
import { findCondition } from "../../machinery/conditions.ts";
import { TerminalError } from "../../machinery/errors.ts";
import { formatBytes, parseBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, requeueAfter } from "../../machinery/result.ts";
import { pairName } from "../host-pair/arbiter.ts";
import { ready, type Report, runPass, waiting } from "../pass.ts";
import { allocateNumber } from "./allocate.ts";
import { backingVolume, childName, replicaOf } from "./children.ts";
import { type MirrorDeps, replicasOf } from "./deps.ts";
import { finalizeMirror } from "./finalize.ts";
import { deviceConflict, placeMirror, tooSmallProblem } from "./placement.ts";
import { sourceProblem } from "./source.ts";
import { mirrorConditions, mirrorFields, nextFirstGeneration } from "./status.ts";
import { planVerify } from "./verify.ts";

/** Aggregated facts need no more than this to be fresh; every change of a replica wakes the pass anyway. */
const LOOK_AGAIN_MS = 30_000;

/** Makes the two sides of a Mirror and puts its status together from what they report. */
export function mirrorReconciler(deps: MirrorDeps): Reconcile {
  return async (context, request) => {
    const mirror = deps.mirrors.get(request);
    if (mirror === undefined) return done;
    if (mirror.metadata.deletionTimestamp !== undefined) return finalizeMirror(deps, context, mirror);
    if (!mirror.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.mirrors.addFinalizer(mirror, CLEANUP_FINALIZER);
      return done;
    }
    return runPass(context, deps.mirrors, mirror, () => onePass(deps, mirror, context.now()));
  };
}

async function onePass(deps: MirrorDeps, mirror: Mirror, now: Date): Promise<Report<Mirror>> {
  const problem = onDiskNameProblem(onDiskName(mirror.metadata.namespace, mirror.metadata.name));
  if (problem !== undefined) throw new TerminalError("NameInvalid", problem);
  const conflict = deviceConflict(mirror, deps.mirrors.list());
  if (conflict !== undefined) return waiting("DeviceTaken", conflict, keptFields(mirror));
  const replicas = replicasOf(deps, mirror);
  const placement = placeMirror(mirror, {
    hosts: deps.hosts.list(),
    volumeGroups: deps.volumeGroups.list(),
    replicas,
    volumeGroupOf: ({ spec, metadata }) =>
      deps.volumes.get({ namespace: metadata.namespace, name: spec.backing.volumeRef?.name ?? "" })?.spec.volumeGroupRef
        .name,
  });
  if (placement.kind === "unplaced") return waiting(placement.reason, placement.message, keptFields(mirror));
  const { sides } = placement;
  const stranger = strangeReplica(replicas, sides);
  if (stranger !== undefined)
    return waiting(
      "ReplicaElsewhere",
      `spec.replicas: ${stranger} still holds a copy; a copy moves by deleting its MirrorReplica first`,
      keptFields(mirror),
    );
  const primary = wantedPrimary(mirror, sides, guestHost(deps, mirror));
  const pair = pairName(sides[0].hostName, sides[1].hostName);
  const record = deps.pairs.get({ namespace: "", name: pair });
  const entry = record?.status?.mirrors.find(({ uid }) => uid === mirror.metadata.uid);
  const firstGeneration = nextFirstGeneration(mirror, primary, replicas, entry);
  const comparison = planVerify(mirror, replicas, now);
  const { verify } = comparison;
  const fields = {
    ...mirrorFields(mirror, firstGeneration, replicas, entry),
    ...(verify === undefined ? {} : { verify }),
  };
  // What was planned stands in the store before anything is made of it.
  if (mirror.status?.firstGeneration === undefined)
    return {
      fields,
      conditions: [ready("False", "Planned", "its two sides are about to be made")],
      next: requeueAfter(0, "make its sides"),
    };
  const filled = mirror.spec.source === undefined ? undefined : firstGeneration.hostName;
  const misplaced = sourceProblem(deps, mirror, sides, filled);
  if (misplaced !== undefined) return waiting("SourceElsewhere", misplaced, fields);
  if (record === undefined) await makePair(deps, pair, sides);
  await makeVolumes(deps, mirror, sides, filled);
  const sizeBytes = usableBytes(deps, mirror, sides);
  if (sizeBytes === undefined) return waiting("VolumesNotReady", volumesMessage(deps, mirror, sides), fields);
  const tooSmall = sides.map((side) => tooSmallProblem(deps.hosts, mirror, side)).find((found) => found !== undefined);
  if (tooSmall !== undefined) return waiting("SizeDoesNotFit", tooSmall, fields);
  const shrink = shrinkProblem(mirror, replicas);
  if (shrink !== undefined)
    return {
      fields,
      conditions: [
        ready("False", "ShrinkRefused", shrink),
        ...mirrorConditions(mirror, primary, replicas, entry).slice(1),
      ],
    };
  const shared = {
    minor: await allocateNumber("drbd-minor", mirror, deps.allocations),
    port: await allocateNumber("drbd-port", mirror, deps.allocations),
    primary,
    firstGeneration: firstGeneration.state !== "GenerationSet",
    sizeBytes,
    connect: true,
    takeover: takeoverOrder(deps, primary, record, entry),
    filled,
    // What was ordered stands in the store before a side hears of it.
    verify:
      verify !== undefined && verify.state !== "Finished" && mirror.status?.verify?.order === verify.order
        ? { order: verify.order }
        : undefined,
    discard: mirror.status?.splitBrain?.state === "Ordered" ? mirror.status.splitBrain.victim : undefined,
  };
  await makeReplicas(deps, mirror, sides, shared);
  return {
    fields,
    conditions: [...mirrorConditions(mirror, primary, replicas, entry), ...comparison.conditions],
    next: requeueAfter(
      Math.min(LOOK_AGAIN_MS, Math.max(1000, comparison.nextMs ?? LOOK_AGAIN_MS)),
      "put the status together again",
    ),
  };
}

/**
 * The administrator wants the device where the record does not have it, and the host that has it does not answer: then
 * the other one is told to take over, as of the record that this was decided by.
 */
function takeoverOrder(
  deps: MirrorDeps,
  wanted: string,
  record: HostPair | undefined,
  entry: HostPairMirror | undefined,
): MirrorReplicaSpec["takeover"] {
  const present = entry?.primary;
  if (present === undefined || present === wanted || record?.status === undefined) return undefined;
  const host = deps.hosts.get({ namespace: "", name: present });
  const lost = findCondition(host?.status?.conditions, "Ready");
  return lost?.status === "False" && lost.reason === "HeartbeatLost" ? { epoch: record.status.epoch } : undefined;
}

function keptFields(mirror: Mirror): NonNullable<Report<Mirror>["fields"]> {
  const { conditions: _, observedGeneration: __, ...fields } = mirror.status ?? {};
  return fields;
}

const strangeReplica = (
  replicas: readonly MirrorReplica[],
  sides: readonly MirrorReplicaSource[],
): string | undefined =>
  replicas.find(({ spec }) => !sides.some(({ hostName }) => hostName === spec.hostName))?.spec.hostName;

/** Where the guest is to run that writes to it; the scheduler chose among the sides that can be promoted. */
function guestHost({ virtualMachines }: MirrorDeps, { metadata }: Mirror): string | undefined {
  const writer = virtualMachines
    .list()
    .find(
      (vm) =>
        vm.metadata.namespace === metadata.namespace &&
        (vm.spec.runStrategy === "Always" || vm.status?.run?.hostName !== undefined) &&
        vm.spec.disks?.some(({ source, readOnly }) => !readOnly && source.mirrorRef?.name === metadata.name),
    );
  return writer?.status?.run?.hostName ?? writer?.status?.hostName;
}

/** What the administrator asks for, else where its guest is to run, else where it is, else the first side. */
function wantedPrimary(
  mirror: Mirror,
  sides: readonly [MirrorReplicaSource, MirrorReplicaSource],
  guest: string | undefined,
): string {
  // The other side would overwrite what this one was filled with.
  const { state, hostName: begun } = mirror.status?.firstGeneration ?? {};
  if (mirror.spec.source !== undefined && begun !== undefined && state !== "GenerationSet") return begun;
  const asked = mirror.spec.primary?.hostName;
  if (asked !== undefined) {
    if (sides.some(({ hostName }) => hostName === asked)) return asked;
    throw new TerminalError(
      "PrimaryInvalid",
      `spec.primary.hostName: ${asked} has no copy; it can be ${sides[0].hostName} or ${sides[1].hostName}`,
    );
  }
  if (sides.some(({ hostName }) => hostName === guest) && guest !== undefined) return guest;
  const present = mirror.status?.primary ?? mirror.status?.firstGeneration?.hostName;
  return sides.find(({ hostName }) => hostName === present)?.hostName ?? sides[0].hostName;
}

async function makePair(deps: MirrorDeps, name: string, sides: readonly MirrorReplicaSource[]): Promise<void> {
  const hosts = sides.map(({ hostName }) => hostName).toSorted();
  await deps.pairs.create({ apiVersion: API_VERSION, kind: "HostPair", metadata: { name }, spec: { hosts } });
}

async function makeVolumes(
  deps: MirrorDeps,
  mirror: Mirror,
  sides: readonly MirrorReplicaSource[],
  filled: string | undefined,
): Promise<void> {
  for (const side of sides) {
    if (side.volumeGroupRef === undefined) continue;
    const source = side.hostName === filled ? mirror.spec.source : undefined;
    await deps.volumes.apply(backingVolume(mirror, side, side.volumeGroupRef.name, source));
  }
}

/** The size that DRBD may use on both sides; `undefined`: a Volume has no device yet. */
function usableBytes(deps: MirrorDeps, mirror: Mirror, sides: readonly MirrorReplicaSource[]): number | undefined {
  let usable = parseBytes(String(mirror.spec.size));
  for (const side of sides) {
    if (side.volumeGroupRef === undefined) continue;
    const { status } = volumeOf(deps, mirror, side) ?? {};
    if (status?.devicePath === undefined || status.capacity === undefined) return undefined;
    const capacity = parseBytes(status.capacity);
    usable = Math.min(usable, capacity - internalMetadataBytes(capacity));
  }
  return usable;
}

const volumeOf = (deps: MirrorDeps, mirror: Mirror, side: MirrorReplicaSource): Volume | undefined =>
  deps.volumes.get({ namespace: mirror.metadata.namespace, name: childName(mirror, side.hostName) });

function volumesMessage(deps: MirrorDeps, mirror: Mirror, sides: readonly MirrorReplicaSource[]): string {
  const problems = sides.flatMap((side) => {
    if (side.volumeGroupRef === undefined) return [];
    const volume = volumeOf(deps, mirror, side);
    if (volume?.status?.devicePath !== undefined) return [];
    const failed = volume?.status?.conditions?.find(({ status }) => status !== "True");
    return [`${childName(mirror, side.hostName)}: ${failed?.message ?? "its host has not reported yet"}`];
  });
  return `waits for its volumes: ${problems.join("; ")}`;
}

function shrinkProblem(mirror: Mirror, replicas: readonly MirrorReplica[]): string | undefined {
  const asked = parseBytes(String(mirror.spec.size));
  const largest = Math.max(0, ...replicas.map(({ spec }) => parseBytes(String(spec.size))));
  if (asked >= largest) return undefined;
  return `spec.size: ${mirror.spec.size} is less than the ${formatBytes(largest)} it has; a mirror is never made smaller, set at least that`;
}

async function makeReplicas(
  deps: MirrorDeps,
  mirror: Mirror,
  sides: readonly [MirrorReplicaSource, MirrorReplicaSource],
  shared: Parameters<typeof replicaOf>[3],
): Promise<void> {
  const [a, b] = sides.map(({ hostName }) => deps.hosts.get({ namespace: "", name: hostName }));
  if (a === undefined || b === undefined) throw new TerminalError("HostUnknown", "a Host of this mirror is gone");
  await deps.replicas.apply(replicaOf(mirror, sides[0], { own: a, peer: b }, shared));
  await deps.replicas.apply(replicaOf(mirror, sides[1], { own: b, peer: a }, shared));
}
