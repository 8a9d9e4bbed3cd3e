import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Snapshot, SnapshotStatus } from "../../crds/generated/snapshot.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import { onDiskName, onDiskNameProblem } from "../../crds/on-disk-name.ts";
import type { Executor } from "../../executors/command/types.ts";
import { type ObservedVolume, observeVolume, volumeDevicePath } from "../../executors/lvm/logical-volume.ts";
import { planVolumeRemoval } from "../../executors/lvm/removal.ts";
import { planSnapshot } from "../../executors/lvm/snapshot.ts";
import { TerminalError } from "../../machinery/errors.ts";
import { formatBytes, parseBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, type ReconcileContext, requeueAfter, type Result } from "../../machinery/result.ts";
import { groupProblem, lvmGroupName, lvmScope, type ScopeSources } from "../lvm-scope.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { converge, ready, type Report, runPass, unsettled, waiting } from "../pass.ts";
import { volumeName } from "../volume/reconcile.ts";

export interface SnapshotDeps extends ScopeSources {
  readonly exec: Executor;
  readonly snapshots: ObjectAccess<Snapshot>;
  readonly volumes: ObjectReader<Volume>;
}

/** A thick snapshot fills up as its volume is written to. */
const OBSERVE_AGAIN_MS = 30_000;

/** Takes the snapshots of the Volumes of this host. */
export function snapshotReconciler(deps: SnapshotDeps): Reconcile {
  return async (context, request) => {
    const snapshot = deps.snapshots.get(request);
    if (snapshot === undefined) return done;
    const volume = deps.volumes.get({ namespace: request.namespace, name: snapshot.spec.volumeRef.name });
    if (snapshot.status?.hostName !== deps.hostName) return done;
    if (snapshot.metadata.deletionTimestamp !== undefined) return finalizeSnapshot(deps, context, snapshot, volume);
    if (!snapshot.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.snapshots.addFinalizer(snapshot, CLEANUP_FINALIZER);
      return done;
    }
    return runPass(context, deps.snapshots, snapshot, () => onePass(deps, context, snapshot, volume));
  };
}

/** LVM's names of the group, the snapshot and its volume. */
function names(deps: SnapshotDeps, snapshot: Snapshot, volume: Volume) {
  const group = deps.volumeGroups.get({ namespace: "", name: volume.spec.volumeGroupRef.name });
  if (group === undefined) return undefined;
  const { namespace, name } = snapshot.metadata;
  return { object: group, group: lvmGroupName(group), name: onDiskName(namespace, name), origin: volumeName(volume) };
}

async function onePass(
  deps: SnapshotDeps,
  context: ReconcileContext,
  snapshot: Snapshot,
  volume: Volume | undefined,
): Promise<Report<Snapshot>> {
  const { hostName } = deps;
  if (volume === undefined)
    return waiting("VolumeMissing", `spec.volumeRef: there is no Volume ${snapshot.spec.volumeRef.name}`, { hostName });
  const target = names(deps, snapshot, volume);
  if (target === undefined)
    return waiting("VolumeGroupMissing", `there is no VolumeGroup ${volume.spec.volumeGroupRef.name}`, { hostName });
  const leaving = groupProblem(target.object, deps);
  if (leaving !== undefined) return waiting(leaving.reason, leaving.message);
  const problem = onDiskNameProblem(target.name);
  if (problem !== undefined) throw new TerminalError("NameInvalid", problem);
  const { size } = snapshot.spec;
  const wanted = {
    ...target,
    uid: snapshot.metadata.uid ?? "",
    sizeBytes: size === undefined ? undefined : parseBytes(String(size)),
    knownUuid: snapshot.status?.uuid,
  };
  const parts = { access: deps.snapshots, object: snapshot, exec: deps.exec, context };
  const look = () => observeVolume({ ...target, scope: lvmScope(deps) }, deps.exec, context.signal);
  const result = await converge(parts, look, (seen) => planSnapshot(wanted, seen));
  const fields = snapshotFields(hostName, target, result.observed);
  if (result.kind === "unsettled") return unsettled(fields);
  if (result.kind === "blocked")
    return waiting(result.blocked.reason, `${hostName}: ${result.blocked.message}`, fields);
  return {
    fields,
    conditions: [ready("True", "Taken", `${fields.devicePath} is there on ${hostName}`)],
    next: requeueAfter(OBSERVE_AGAIN_MS, "look at LVM again"),
  };
}

type Fields = Omit<SnapshotStatus, "conditions" | "observedGeneration">;

function snapshotFields(
  hostName: string,
  target: { readonly group: string; readonly name: string },
  { volume }: ObservedVolume,
): Fields {
  if (volume === undefined) return { hostName };
  return {
    hostName,
    uuid: volume.uuid,
    capacity: formatBytes(volume.originSizeBytes ?? volume.sizeBytes),
    devicePath: volumeDevicePath(target.group, target.name),
    ...(volume.dataPercent === undefined ? {} : { usedPercent: volume.dataPercent.toFixed(1) }),
  };
}

async function finalizeSnapshot(
  deps: SnapshotDeps,
  context: ReconcileContext,
  snapshot: Snapshot,
  volume: Volume | undefined,
): Promise<Result> {
  if (!snapshot.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
  const target = volume === undefined ? undefined : names(deps, snapshot, volume);
  let gone = false;
  const result = await runPass(context, deps.snapshots, snapshot, async (): Promise<Report<Snapshot>> => {
    if (target === undefined) {
      gone = true; // a snapshot does not outlive its volume in LVM
      return { conditions: [ready("False", "Deleting", "its volume is gone")] };
    }
    const device = volumeDevicePath(target.group, target.name);
    const parts = { access: deps.snapshots, object: snapshot, exec: deps.exec, context, device };
    const removal = await converge(
      parts,
      () => observeVolume({ ...target, scope: lvmScope(deps) }, deps.exec, context.signal),
      (seen) => planVolumeRemoval({ ...target, uid: snapshot.metadata.uid ?? "", policy: "Delete" }, seen),
    );
    gone = removal.kind === "settled";
    if (removal.kind === "blocked")
      return waiting(removal.blocked.reason, `${deps.hostName}: ${removal.blocked.message}`);
    return {
      conditions: [ready("False", "Deleting", `${deps.hostName} removes it`)],
      next: requeueAfter(0, "see whether it is gone"),
    };
  });
  if (!gone) return result;
  await deps.snapshots.removeFinalizer(snapshot, CLEANUP_FINALIZER);
  return done;
}
