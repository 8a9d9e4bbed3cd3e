import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Snapshot } from "../../crds/generated/snapshot.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import type { Volume, VolumeStatus } from "../../crds/generated/volume.ts";
import { onDiskName, THIN_POOL_NAME } from "../../crds/on-disk-name.ts";
import type { Executor } from "../../executors/command/types.ts";
import type { FillSource } from "../../executors/lvm/fill.ts";
import {
  type DesiredVolume,
  fileSystemGrowthPending,
  type ObservedVolume,
  observeVolume,
  planVolume,
  volumeDevicePath,
} from "../../executors/lvm/logical-volume.ts";
import { planVolumeRemoval } from "../../executors/lvm/removal.ts";
import { formatBytes, parseBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, type ReconcileContext, requeueAfter, type Result } from "../../machinery/result.ts";
import { groupProblem, lvmGroupName, lvmScope, type ScopeSources } from "../lvm-scope.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { converge, ready, type Report, runPass, unsettled, waiting } from "../pass.ts";

export interface VolumeDeps extends ScopeSources {
  readonly exec: Executor;
  readonly volumes: ObjectAccess<Volume>;
  readonly snapshots: ObjectReader<Snapshot>;
}

const OBSERVE_AGAIN_MS = 60_000;

/** Makes the logical volumes that were bound to this host, and reports their devices. */
export function volumeReconciler(deps: VolumeDeps): Reconcile {
  return async (context, request) => {
    const volume = deps.volumes.get(request);
    if (volume?.status?.hostName !== deps.hostName) return done;
    if (volume.metadata.deletionTimestamp !== undefined) return finalizeVolume(deps, context, volume);
    if (!volume.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.volumes.addFinalizer(volume, CLEANUP_FINALIZER);
      return done;
    }
    return runPass(context, deps.volumes, volume, () => onePass(deps, context, volume));
  };
}

export const volumeName = ({ metadata, spec }: Volume): string =>
  spec.adopt?.logicalVolumeName ?? onDiskName(metadata.namespace, metadata.name);

const observe = (deps: VolumeDeps, context: ReconcileContext, volume: Volume, group: string) =>
  observeVolume({ group, name: volumeName(volume), scope: lvmScope(deps) }, deps.exec, context.signal);

async function onePass(deps: VolumeDeps, context: ReconcileContext, volume: Volume): Promise<Report<Volume>> {
  const groupName = volume.spec.volumeGroupRef.name;
  const group = deps.volumeGroups.get({ namespace: "", name: groupName });
  if (group === undefined) return waiting("VolumeGroupMissing", `there is no VolumeGroup ${groupName}`);
  const problem = groupProblem(group, deps);
  if (problem !== undefined) return waiting(problem.reason, problem.message, keptFields(volume));
  const wanted = desiredVolume(deps, volume, group);
  if ("conditions" in wanted) return wanted;
  const device = volumeDevicePath(wanted.group, wanted.name);
  const parts = { access: deps.volumes, object: volume, exec: deps.exec, context, device };
  const result = await converge(
    parts,
    () => observe(deps, context, volume, wanted.group),
    (seen) => planVolume(wanted, seen),
  );
  const fields = volumeFields(wanted, result.observed, result.kind === "settled");
  if (result.kind === "unsettled") return unsettled(fields);
  if (result.kind === "blocked")
    return waiting(result.blocked.reason, `${deps.hostName}: ${result.blocked.message}`, {
      ...keptFields(volume),
      ...fields,
    });
  const growing = result.observed.volume !== undefined && fileSystemGrowthPending(result.observed.volume);
  const message = growing
    ? "the device is there; its file system grows once this host has it to itself"
    : `${fields.devicePath} is there on ${deps.hostName}`;
  return {
    fields,
    conditions: [ready("True", "Present", message)],
    next: requeueAfter(OBSERVE_AGAIN_MS, "look at LVM again"),
  };
}

type Fields = Omit<VolumeStatus, "conditions" | "observedGeneration" | "hostName">;

function keptFields({ status }: Volume): Fields {
  const { devicePath, uuid, capacity } = status ?? {};
  return {
    ...(devicePath === undefined ? {} : { devicePath }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(capacity === undefined ? {} : { capacity }),
  };
}

/** The device is told only once it is filled: until then nobody may use it. */
function volumeFields(wanted: DesiredVolume, { volume }: ObservedVolume, settled: boolean): Fields {
  if (volume === undefined) return {};
  const { uuid, sizeBytes } = volume;
  if (!settled) return { uuid };
  return { uuid, capacity: formatBytes(sizeBytes), devicePath: volumeDevicePath(wanted.group, wanted.name) };
}

function desiredVolume(deps: VolumeDeps, volume: Volume, group: VolumeGroup): DesiredVolume | Report<Volume> {
  const { spec, metadata, status } = volume;
  const source = fillSource(deps, volume);
  if (source !== undefined && "conditions" in source) return source;
  return {
    group: group.status?.volumeGroupName ?? lvmGroupName(group),
    name: volumeName(volume),
    uid: metadata.uid ?? "",
    sizeBytes: parseBytes(String(spec.size)),
    thinPool: spec.thin ? THIN_POOL_NAME : undefined,
    fileSystem:
      spec.fileSystem === undefined ? undefined : { type: spec.fileSystem.type, label: spec.fileSystem.label },
    source,
    adopt: spec.adopt !== undefined,
    knownUuid: status?.uuid,
  };
}

/** Where the content comes from; the source has to lie in the same volume group, where LVM can share or copy it. */
function fillSource(deps: VolumeDeps, volume: Volume): FillSource | undefined | Report<Volume> {
  const { source, volumeGroupRef, thin } = volume.spec;
  const { namespace } = volume.metadata;
  if (source === undefined || volume.status?.uuid !== undefined) return undefined;
  if (source.image !== undefined) return imageSource(source.image);
  const snapshot = source.snapshotRef && deps.snapshots.get({ namespace, name: source.snapshotRef.name });
  const originRef = source.snapshotRef === undefined ? source.volumeRef : snapshot?.spec.volumeRef;
  const origin = originRef && deps.volumes.get({ namespace, name: originRef.name });
  if (origin === undefined)
    return waiting("SourceMissing", `spec.source: ${source.snapshotRef?.name ?? source.volumeRef?.name} is not there`);
  if (origin.spec.volumeGroupRef.name !== volumeGroupRef.name)
    return waiting(
      "SourceElsewhere",
      `spec.source: it lies in VolumeGroup ${origin.spec.volumeGroupRef.name}; a copy is made in the same group only`,
    );
  const name = snapshot === undefined ? volumeName(origin) : onDiskName(namespace, snapshot.metadata.name);
  return { kind: thin && origin.spec.thin ? "clone" : "copy", origin: name };
}

function imageSource(image: NonNullable<NonNullable<Volume["spec"]["source"]>["image"]>): FillSource | Report<Volume> {
  const { path, url, sha256 } = image;
  if (path !== undefined) return { kind: "file", path, sha256 };
  if (url !== undefined && sha256 !== undefined) return { kind: "url", url, sha256 };
  return waiting("SourceInvalid", "spec.source.image: give path, or url together with sha256");
}

async function finalizeVolume(deps: VolumeDeps, context: ReconcileContext, volume: Volume): Promise<Result> {
  if (!volume.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
  const group = deps.volumeGroups.get({ namespace: "", name: volume.spec.volumeGroupRef.name });
  const policy = volume.spec.deletionPolicy ?? (volume.spec.adopt === undefined ? "Delete" : "Retain");
  let gone = policy === "Orphan" || (volume.status?.uuid === undefined && group === undefined);
  if (gone) {
    await deps.volumes.removeFinalizer(volume, CLEANUP_FINALIZER);
    return done;
  }
  const result = await runPass(context, deps.volumes, volume, async (): Promise<Report<Volume>> => {
    const kept = keptFields(volume);
    if (group === undefined)
      return waiting(
        "VolumeGroupMissing",
        `VolumeGroup ${volume.spec.volumeGroupRef.name} is gone, so nobody can say whether the volume is: make it again, or give the volume up by spec.deletionPolicy: Orphan`,
        kept,
      );
    const target = {
      group: group.status?.volumeGroupName ?? lvmGroupName(group),
      name: volumeName(volume),
      uid: volume.metadata.uid ?? "",
      policy,
    };
    const device = volumeDevicePath(target.group, target.name);
    const parts = { access: deps.volumes, object: volume, exec: deps.exec, context, device };
    const removal = await converge(
      parts,
      () => observe(deps, context, volume, target.group),
      (seen) => planVolumeRemoval(target, seen),
    );
    gone = removal.kind === "settled";
    if (removal.kind === "blocked")
      return waiting(removal.blocked.reason, `${deps.hostName}: ${removal.blocked.message}`, kept);
    return {
      fields: kept,
      conditions: [ready("False", "Deleting", `${deps.hostName} removes it`)],
      next: requeueAfter(0, "see whether it is gone"),
    };
  });
  if (!gone) return result;
  await deps.volumes.removeFinalizer(volume, CLEANUP_FINALIZER);
  return done;
}
