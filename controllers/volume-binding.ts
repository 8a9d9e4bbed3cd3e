import type { RestClient } from "../client/rest.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { SNAPSHOTS } from "../crds/generated/snapshot.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import { hostBindingReconciler } from "../reconcilers/host-binding/reconcile.ts";
import { allocationReconciler } from "../reconcilers/volume-binding/allocation.ts";
import { volumeBindingReconciler } from "../reconcilers/volume-binding/reconcile.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objectReader } from "./object-maker.ts";
import { changesOf, objects, requestFor } from "./source.ts";

export interface VolumeBindingOptions {
  readonly client: Pick<RestClient, "apply" | "patch">;
  readonly events: EventRecorder;
}

/** Binds Volumes to the host of their volume group; one at a time, so that no space is promised twice. */
export function addVolumeBindingController(manager: Registrar, { client, events }: VolumeBindingOptions): void {
  const fieldManager = "ferrite-volume-binding";
  const volumes = manager.cache(VOLUMES);
  manager.add({
    name: "volume-binding",
    concurrency: 1,
    sources: [
      objects(VOLUMES),
      objects(VOLUME_GROUPS, ({ metadata, status: groupStatus }) =>
        volumes
          .list()
          .filter(
            ({ spec, status }) =>
              spec.volumeGroupRef.name === metadata.name && status?.hostName !== groupStatus?.hostName,
          )
          .map(requestFor),
      ),
    ],
    reconcile: volumeBindingReconciler({
      volumes: objectAccess({ type: VOLUMES, cache: volumes, client, events, fieldManager }),
      volumeGroups: objectReader(manager.cache(VOLUME_GROUPS)),
    }),
  });
  const groups = objectAccess({
    type: VOLUME_GROUPS,
    cache: manager.cache(VOLUME_GROUPS),
    client,
    events,
    fieldManager,
  });
  manager.add({
    name: "volume-group-allocation",
    sources: [
      objects(VOLUME_GROUPS),
      objects(VOLUMES, ({ spec }) => [{ namespace: "", name: spec.volumeGroupRef.name }]),
    ],
    reconcile: allocationReconciler({ volumeGroups: groups, volumes: objectReader(volumes) }),
  });
}

/** Snapshots lie where their Volume lies, volume groups on a Mirror where its primary is. */
export function addHostBindingControllers(manager: Registrar, { client, events }: VolumeBindingOptions): void {
  const fieldManager = "ferrite-host-binding";
  const volumes = manager.cache(VOLUMES);
  const mirrors = manager.cache(MIRRORS);
  const hosts = manager.cache(HOSTS);
  const snapshots = objectAccess({ type: SNAPSHOTS, cache: manager.cache(SNAPSHOTS), client, events, fieldManager });
  const groups = objectAccess({
    type: VOLUME_GROUPS,
    cache: manager.cache(VOLUME_GROUPS),
    client,
    events,
    fieldManager,
  });
  manager.add({
    name: "snapshot-binding",
    sources: [
      objects(SNAPSHOTS),
      objects(VOLUMES, ({ metadata }) =>
        snapshots
          .list()
          .filter(
            (each) => each.metadata.namespace === metadata.namespace && each.spec.volumeRef.name === metadata.name,
          )
          .map(requestFor),
      ),
    ],
    reconcile: hostBindingReconciler({
      objects: snapshots,
      hostOf: ({ metadata, spec }) => {
        const hostName = volumes.get(metadata.namespace, spec.volumeRef.name)?.status?.hostName;
        return hostName === undefined
          ? { missing: `spec.volumeRef: Volume ${spec.volumeRef.name} is not there, or has no place yet` }
          : { hostName };
      },
    }),
  });
  manager.add({
    name: "volume-group-binding",
    sources: [
      objects(VOLUME_GROUPS),
      objects(MIRRORS, () => groups.list().map(requestFor)),
      // Not their heartbeats: only whether they are there.
      changesOf(
        HOSTS,
        ({ metadata }) => metadata.uid,
        () => groups.list().map(requestFor),
      ),
    ],
    reconcile: hostBindingReconciler({
      objects: groups,
      hostOf: ({ spec }) => {
        const mirrorRef = spec.physicalVolumes[0]?.mirrorRef;
        if (spec.hostName !== undefined)
          return hosts.get("", spec.hostName) === undefined
            ? { missing: `spec.hostName: there is no Host ${spec.hostName}; start its agent, or name another` }
            : { hostName: spec.hostName };
        if (mirrorRef === undefined) return undefined;
        const hostName = mirrors.get(mirrorRef.namespace, mirrorRef.name)?.status?.primary;
        return hostName === undefined
          ? { missing: `spec.physicalVolumes: Mirror ${mirrorRef.name} is not there, or is primary nowhere yet` }
          : { hostName };
      },
    }),
  });
}
