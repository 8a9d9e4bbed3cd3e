import type { RestClient } from "../client/rest.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import { volumeBindingReconciler } from "../reconcilers/volume-binding/reconcile.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objectReader } from "./object-maker.ts";
import { objects, requestFor } from "./source.ts";

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
      objects(VOLUME_GROUPS, ({ metadata }) =>
        volumes
          .list()
          .filter(({ spec, status }) => spec.volumeGroupRef.name === metadata.name && status?.hostName === undefined)
          .map(requestFor),
      ),
    ],
    reconcile: volumeBindingReconciler({
      volumes: objectAccess({ type: VOLUMES, cache: volumes, client, events, fieldManager }),
      volumeGroups: objectReader(manager.cache(VOLUME_GROUPS)),
    }),
  });
}
