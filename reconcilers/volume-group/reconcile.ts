import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import { THIN_POOL_NAME } from "../../crds/on-disk-name.ts";
import type { Executor } from "../../executors/command/types.ts";
import {
  type DesiredVolumeGroup,
  observeVolumeGroup,
  planVolumeGroup,
  planVolumeGroupLeaving,
  planVolumeGroupRemoval,
} from "../../executors/lvm/volume-group.ts";
import type { Plan } from "../../executors/driver.ts";
import { nothing } from "../../executors/lvm/plans.ts";
import { parseBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, type ReconcileContext, requeueAfter, type Result } from "../../machinery/result.ts";
import { groupDevices, groupProblem, groupUse, lvmGroupName, lvmScope, type ScopeSources } from "../lvm-scope.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { converge, ready, type Report, runPass, unsettled, waiting } from "../pass.ts";
import { groupConditions, groupFields } from "./status.ts";

export interface VolumeGroupDeps extends ScopeSources {
  readonly exec: Executor;
  readonly volumeGroups: ObjectAccess<VolumeGroup>;
  readonly volumes: ObjectReader<Volume>;
}

/** Pools fill up and disks vanish without telling us. */
const OBSERVE_AGAIN_MS = 30_000;

/** Makes the volume groups of this host what their objects ask, and reports how they are. */
export function volumeGroupReconciler(deps: VolumeGroupDeps): Reconcile {
  return async (context, request) => {
    const group = deps.volumeGroups.get(request);
    if (group === undefined) return done;
    const use = groupUse(group, deps);
    if (use === "elsewhere") return done;
    const frozen = use === "frozen" ? groupProblem(group, deps) : undefined;
    if (frozen !== undefined)
      return runPass(context, deps.volumeGroups, group, async () => waiting(frozen.reason, frozen.message));
    if (use === "leave") return runPass(context, deps.volumeGroups, group, () => leavePass(deps, context, group));
    if (group.metadata.deletionTimestamp !== undefined) return finalizeGroup(deps, context, group);
    if (!group.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.volumeGroups.addFinalizer(group, CLEANUP_FINALIZER);
      return done;
    }
    return runPass(context, deps.volumeGroups, group, () => onePass(deps, context, group));
  };
}

const observe = (deps: VolumeGroupDeps, context: ReconcileContext, group: VolumeGroup) =>
  observeVolumeGroup(
    {
      name: lvmGroupName(group),
      devices: groupDevices(group, deps),
      scope: lvmScope(deps),
      knownUuid: group.status?.uuid,
    },
    deps.exec,
    context.signal,
  );

async function onePass(
  deps: VolumeGroupDeps,
  context: ReconcileContext,
  group: VolumeGroup,
): Promise<Report<VolumeGroup>> {
  const wanted = desiredGroup(deps, group);
  if (wanted.devices.length < group.spec.physicalVolumes.length)
    return waiting("MirrorNotReady", "spec.physicalVolumes: the mirror has no device on this host yet");
  const parts = { access: deps.volumeGroups, object: group, exec: deps.exec, context };
  const result = await converge(
    parts,
    () => observe(deps, context, group),
    (seen) => planVolumeGroup(wanted, seen),
  );
  const fields = groupFields(deps.hostName, group, result.observed);
  if (result.kind === "unsettled") return unsettled(fields);
  const conditions = groupConditions(
    deps.hostName,
    group,
    result.observed,
    result.kind === "blocked" ? result.blocked : undefined,
  );
  return { fields, conditions, next: requeueAfter(OBSERVE_AGAIN_MS, "look at LVM again") };
}

/**
 * The primary of the mirror below is to move away: the group goes out of use here, or what is open in it keeps it. Until then DRBD
 * refuses to become secondary.
 */
async function leavePass(
  deps: VolumeGroupDeps,
  context: ReconcileContext,
  group: VolumeGroup,
): Promise<Report<VolumeGroup>> {
  const parts = { access: deps.volumeGroups, object: group, exec: deps.exec, context };
  const result = await converge(parts, () => observe(deps, context, group), planVolumeGroupLeaving);
  if (result.kind === "unsettled") return unsettled();
  if (result.kind === "blocked") return waiting(result.blocked.reason, `${deps.hostName}: ${result.blocked.message}`);
  return waiting(LEFT, `is out of use on ${deps.hostName}, and follows the primary of its mirror`);
}

/** Ready's reason of a group that keeps its mirror's device open no more. */
export const LEFT = "Left";

function desiredGroup(deps: VolumeGroupDeps, group: VolumeGroup): DesiredVolumeGroup {
  const { spec, metadata, status } = group;
  const pool = spec.thinPool;
  return {
    name: lvmGroupName(group),
    uid: metadata.uid ?? "",
    devices: groupDevices(group, deps),
    adopt: spec.adopt !== undefined,
    overwrite: spec.overwrite,
    knownUuid: status?.uuid,
    knownDeviceUuids: deviceUuids(group),
    thinPool:
      pool === undefined
        ? undefined
        : {
            name: THIN_POOL_NAME,
            sizeBytes: parseBytes(String(pool.size)),
            chunkBytes: pool.chunkSize === undefined ? undefined : parseBytes(String(pool.chunkSize)),
          },
  };
}

const deviceUuids = ({ status }: VolumeGroup): readonly string[] =>
  (status?.physicalVolumes ?? []).map(({ uuid }) => uuid);

/** The Volumes that only this object's agent can remove: without it they would be stuck. */
const inside = (deps: VolumeGroupDeps, { metadata }: VolumeGroup): readonly string[] =>
  deps.volumes
    .list()
    .filter(({ spec, metadata: { finalizers } }) => spec.volumeGroupRef.name === metadata.name && finalizers?.length)
    .map((volume) => `${volume.metadata.namespace}/${volume.metadata.name}`);

/** A volume group is kept unless its object says Delete; then only an empty one goes. */
async function finalizeGroup(deps: VolumeGroupDeps, context: ReconcileContext, group: VolumeGroup): Promise<Result> {
  if (!group.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
  const target = {
    name: lvmGroupName(group),
    uid: group.metadata.uid ?? "",
    poolName: THIN_POOL_NAME,
    knownDeviceUuids: deviceUuids(group),
  };
  let gone = false;
  const result = await runPass(context, deps.volumeGroups, group, async (): Promise<Report<VolumeGroup>> => {
    const [device] = groupDevices(group, deps);
    const parts = { access: deps.volumeGroups, object: group, exec: deps.exec, context, device };
    const plan = (seen: Awaited<ReturnType<typeof observe>>): Plan => {
      const volumes = seen.group === undefined ? [] : inside(deps, group);
      if (volumes.length > 0)
        return {
          kind: "blocked",
          reason: "NotEmpty",
          message: `Volumes lie in it: delete them first (${volumes.join(", ")})`,
        };
      return group.spec.deletionPolicy === "Delete" ? planVolumeGroupRemoval(target, seen) : nothing;
    };
    const removal = await converge(parts, () => observe(deps, context, group), plan);
    gone = removal.kind === "settled";
    if (removal.kind === "blocked")
      return waiting(removal.blocked.reason, `${deps.hostName}: ${removal.blocked.message}`);
    return {
      conditions: [ready("False", "Deleting", `${deps.hostName} removes the volume group`)],
      next: requeueAfter(0, "see whether it is gone"),
    };
  });
  if (!gone) return result;
  await deps.volumeGroups.removeFinalizer(group, CLEANUP_FINALIZER);
  return done;
}
