import type { RestClient } from "../client/rest.ts";
import type { Manager } from "../controllers/manager.ts";
import { objectAccess } from "../controllers/object-access.ts";
import { objectReader } from "../controllers/object-maker.ts";
import { changesOf, later, requestFor, wanted } from "../controllers/source.ts";
import { MIRROR_REPLICAS, type MirrorReplica } from "../crds/generated/mirror-replica.ts";
import { SNAPSHOTS } from "../crds/generated/snapshot.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { Executor } from "../executors/command/types.ts";
import { findCondition } from "../machinery/conditions.ts";
import type { Condition, DeepReadonly } from "../machinery/object.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import type { Reconciled } from "../reconcilers/object-access.ts";
import { snapshotReconciler } from "../reconcilers/snapshot/reconcile.ts";
import { volumeGroupReconciler } from "../reconcilers/volume-group/reconcile.ts";
import { volumeReconciler } from "../reconcilers/volume/reconcile.ts";

export interface LvmOptions {
  readonly hostName: string;
  readonly exec: Executor;
  readonly client: RestClient;
  readonly events: EventRecorder;
  readonly fieldManager: string;
}

/** What others need to know of an object here: how full it is, or when it was looked at last, is not part of it. */
function stateOf(object: {
  readonly spec: unknown;
  readonly status?: {
    readonly hostName?: string;
    readonly uuid?: string;
    readonly conditions?: readonly Readonly<Condition>[];
  };
}): unknown {
  const { spec, status } = object;
  return [spec, status?.hostName, status?.uuid, findCondition(status?.conditions, "Ready")?.status];
}

/** What decides about the groups on a mirror. */
const useOfReplica = ({ metadata, spec, status }: DeepReadonly<MirrorReplica>): unknown => [
  metadata.deletionTimestamp,
  spec.role,
  status?.role,
  status?.suspended,
  status?.devicePath,
  status?.capacity,
];

/** To look what a group has left takes LVM as long as to make a volume, and nobody waits for it. */
const RECOUNT_MS = 3000;

/** Volume groups, volumes and snapshots of this host. One pass at a time each: LVM locks the group anyway. */
export function addLvmControllers(manager: Manager, options: LvmOptions): void {
  const { hostName, exec } = options;
  const access = <T extends Reconciled>(type: ResourceType<T>) =>
    objectAccess({ ...options, type, cache: manager.cache(type) });
  const volumeGroups = access(VOLUME_GROUPS);
  const volumes = access(VOLUMES);
  const snapshots = access(SNAPSHOTS);
  const mine = { fieldSelector: `spec.hostName=${hostName}` };
  const replicas = objectReader(manager.cache(MIRROR_REPLICAS, mine));
  const base = { hostName, exec, volumeGroups, replicas };
  const groupsOn = ({ metadata, spec }: DeepReadonly<MirrorReplica>) =>
    volumeGroups
      .list()
      .filter((group) =>
        group.spec.physicalVolumes.some(
          ({ mirrorRef }) => mirrorRef?.name === spec.mirrorRef.name && mirrorRef.namespace === metadata.namespace,
        ),
      );
  manager.add({
    name: "volume-group",
    sources: [
      changesOf(VOLUME_GROUPS, (group) => [wanted(group), group.status?.hostName]),
      // What LVM has left changes with every volume.
      later(
        RECOUNT_MS,
        changesOf(
          VOLUMES,
          ({ status }) => [status?.uuid, status?.capacity],
          ({ spec }) => [{ namespace: "", name: spec.volumeGroupRef.name }],
        ),
      ),
      changesOf(MIRROR_REPLICAS, useOfReplica, (replica) => groupsOn(replica).map(requestFor), mine),
    ],
    reconcile: volumeGroupReconciler({ ...base, volumes }),
  });
  manager.add({
    name: "volume",
    sources: [
      changesOf(VOLUMES, (volume) => [wanted(volume), volume.status?.hostName]),
      changesOf(VOLUME_GROUPS, stateOf, ({ metadata }) =>
        volumes
          .list()
          .filter(({ spec }) => spec.volumeGroupRef.name === metadata.name)
          .map(requestFor),
      ),
    ],
    reconcile: volumeReconciler({ ...base, volumes, snapshots }),
  });
  manager.add({
    name: "snapshot",
    sources: [
      changesOf(SNAPSHOTS, (snapshot) => [wanted(snapshot), snapshot.status?.hostName]),
      changesOf(VOLUMES, stateOf, ({ metadata }) =>
        snapshots
          .list()
          .filter(
            (each) => each.metadata.namespace === metadata.namespace && each.spec.volumeRef.name === metadata.name,
          )
          .map(requestFor),
      ),
    ],
    reconcile: snapshotReconciler({ ...base, snapshots, volumes }),
  });
}
