import type { RestClient } from "../client/rest.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { MIRROR_REPLICAS } from "../crds/generated/mirror-replica.ts";
import { SNAPSHOTS } from "../crds/generated/snapshot.ts";
import { VIRTUAL_MACHINES } from "../crds/generated/virtual-machine.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { hostGoneReconciler } from "../reconcilers/host-gone/reconcile.ts";
import type { Reconciled } from "../reconcilers/object-access.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objectReader } from "./object-maker.ts";
import { changesOf, objects, requestFor } from "./source.ts";

/** Lets go of what waits for the agent of a Host that was deleted. */
export function addHostGoneControllers(
  manager: Registrar,
  { client, events }: { readonly client: Pick<RestClient, "apply" | "patch">; readonly events: EventRecorder },
): void {
  const add = <T extends Reconciled>(type: ResourceType<T>, hostOf: (object: T) => string | undefined) => {
    const cache = manager.cache(type);
    const access = objectAccess({ type, cache, client, events, fieldManager: "ferrite-host-gone" });
    manager.add({
      name: `${type.plural}-of-gone-hosts`,
      sources: [
        objects(type),
        changesOf(
          HOSTS,
          ({ metadata }) => metadata.uid,
          () => access.list().map(requestFor),
        ),
      ],
      reconcile: hostGoneReconciler({ objects: access, hosts: objectReader(manager.cache(HOSTS)), hostOf }),
    });
  };
  add(MIRROR_REPLICAS, ({ spec }) => spec.hostName);
  add(VOLUMES, ({ status }) => status?.hostName);
  add(SNAPSHOTS, ({ status }) => status?.hostName);
  add(VOLUME_GROUPS, ({ spec }) => spec.hostName);
  add(VIRTUAL_MACHINES, ({ status }) => status?.run?.hostName ?? status?.hostName);
}
