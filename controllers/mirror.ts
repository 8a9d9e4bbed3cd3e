import type { RestClient } from "../client/rest.ts";
import { ALLOCATIONS } from "../crds/generated/allocation.ts";
import { HOST_PAIRS } from "../crds/generated/host-pair.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { MIRROR_REPLICAS } from "../crds/generated/mirror-replica.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { SNAPSHOTS } from "../crds/generated/snapshot.ts";
import { VIRTUAL_MACHINES } from "../crds/generated/virtual-machine.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import { findCondition } from "../machinery/conditions.ts";
import type { Condition } from "../machinery/object.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { mirrorReconciler } from "../reconcilers/mirror/reconcile.ts";
import type { Reconciled } from "../reconcilers/object-access.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objectMaker, objectReader } from "./object-maker.ts";
import { changesOf, objects, ownersOf, requestFor, wanted } from "./source.ts";

export interface MirrorControllerOptions {
  readonly client: Pick<RestClient, "apply" | "patch" | "create" | "delete">;
  readonly events: EventRecorder;
}

const MANAGER = "ferrite-mirror";

const readyOf = (status: { readonly conditions?: readonly Readonly<Condition>[] } | undefined): unknown => {
  const { status: word, reason } = findCondition(status?.conditions, "Ready") ?? {};
  return [word, reason];
};

/** Watches Mirrors, what they own, and the records of the pairs; makes sides and volumes, writes the Mirror's status. */
export function addMirrorController(manager: Registrar, { client, events }: MirrorControllerOptions): void {
  const make = <T extends Pick<Reconciled, "metadata">>(type: ResourceType<T>) =>
    objectMaker({ type, cache: manager.cache(type), client, fieldManager: MANAGER });
  const mirrors = objectAccess({ type: MIRRORS, cache: manager.cache(MIRRORS), client, events, fieldManager: MANAGER });
  const all = () => manager.cache(MIRRORS).list().map(requestFor);
  const owner = { group: MIRRORS.group, kind: MIRRORS.kind };
  manager.add({
    name: "mirror",
    sources: [
      objects(MIRRORS),
      objects(MIRROR_REPLICAS, ownersOf(owner)),
      objects(VOLUMES, ownersOf(owner)),
      objects(HOST_PAIRS, ({ status }) => (status?.mirrors ?? []).map(({ namespace, name }) => ({ namespace, name }))),
      // A host or a group that comes up is what a mirror without a place waits for.
      changesOf(VOLUME_GROUPS, ({ spec, status }) => [spec, status?.hostName, readyOf(status)], all),
      changesOf(HOSTS, (host) => [wanted(host), readyOf(host.status)], all),
      // A mirror's primary goes where its guest is to run.
      objects(VIRTUAL_MACHINES, ({ metadata, spec }) =>
        (spec.disks ?? []).flatMap(({ source }) =>
          source.mirrorRef === undefined ? [] : [{ namespace: metadata.namespace, name: source.mirrorRef.name }],
        ),
      ),
    ],
    reconcile: mirrorReconciler({
      mirrors,
      replicas: make(MIRROR_REPLICAS),
      volumes: make(VOLUMES),
      snapshots: objectReader(manager.cache(SNAPSHOTS)),
      allocations: make(ALLOCATIONS),
      pairs: make(HOST_PAIRS),
      hosts: objectReader(manager.cache(HOSTS)),
      volumeGroups: objectReader(manager.cache(VOLUME_GROUPS)),
      virtualMachines: objectReader(manager.cache(VIRTUAL_MACHINES)),
    }),
  });
}
