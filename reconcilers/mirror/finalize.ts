import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Mirror } from "../../crds/generated/mirror.ts";
import { findCondition, isConditionTrue } from "../../machinery/conditions.ts";
import { done, type ReconcileContext, type Result } from "../../machinery/result.ts";
import { runPass, waiting } from "../pass.ts";
import { backingVolume, childName } from "./children.ts";
import { type MirrorDeps, replicasOf } from "./deps.ts";

/**
 * Deletes in the order in which things stand on each other: sides, volumes, numbers. A host that does not answer keeps
 * its side; the condition names it.
 */
export async function finalizeMirror(deps: MirrorDeps, context: ReconcileContext, mirror: Mirror): Promise<Result> {
  if (!mirror.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
  const blockers = await deleteChildren(deps, mirror);
  if (blockers.length > 0)
    return runPass(context, deps.mirrors, mirror, async () =>
      waiting<Mirror>("Deleting", `waits for ${blockers.join("; ")}`),
    );
  for (const allocation of deps.allocations.list())
    if (allocation.spec.owner.uid === mirror.metadata.uid) await deps.allocations.delete(allocation);
  await deps.mirrors.removeFinalizer(mirror, CLEANUP_FINALIZER);
  return done;
}

/** Asks for the deletion of what is left, and says what that is. */
async function deleteChildren(deps: MirrorDeps, mirror: Mirror): Promise<readonly string[]> {
  const replicas = replicasOf(deps, mirror);
  for (const replica of replicas)
    if (replica.metadata.deletionTimestamp === undefined) await deps.replicas.delete(replica);
  if (replicas.length > 0)
    return replicas.map(({ spec, status }) =>
      blocker(deps, spec.hostName, findCondition(status?.conditions, "Ready")?.message),
    );
  const volumes = deps.volumes
    .list()
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === mirror.metadata.uid) === true);
  for (const volume of volumes) {
    if (volume.metadata.deletionTimestamp !== undefined) continue;
    const hostName = volume.metadata.name.slice(childName(mirror, "").length);
    // The policy may have changed since the volume was made: it goes as the mirror says now.
    await deps.volumes.apply({
      ...backingVolume(mirror, { hostName }, volume.spec.volumeGroupRef.name),
      spec: { ...volume.spec, deletionPolicy: mirror.spec.deletionPolicy ?? "Delete" },
    });
    await deps.volumes.delete(volume);
  }
  return volumes.map(({ metadata, status }) =>
    blocker(deps, status?.hostName ?? metadata.name, findCondition(status?.conditions, "Ready")?.message),
  );
}

function blocker(deps: MirrorDeps, hostName: string, message: string | undefined): string {
  const host = deps.hosts.get({ namespace: "", name: hostName });
  if (host === undefined || isConditionTrue(host.status?.conditions, "Ready"))
    return `${hostName}: ${message ?? "cleaning up"}`;
  return `${hostName}, which does not answer: bring it back, or delete Host ${hostName} to give up what it holds`;
}
