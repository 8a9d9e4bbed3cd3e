import type { RestClient } from "../client/rest.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { IMPORTS } from "../crds/generated/import.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { VIRTUAL_MACHINES } from "../crds/generated/virtual-machine.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { Request } from "../machinery/result.ts";
import type { BlockSource } from "../reconcilers/block-source.ts";
import { vmPlacementReconciler } from "../reconcilers/virtual-machine-placement/reconcile.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objectReader } from "./object-maker.ts";
import { apiRunStore } from "./run-store.ts";
import { objects, requestFor } from "./source.ts";

export interface VirtualMachineControllerOptions {
  readonly client: Pick<RestClient, "get" | "apply" | "patch" | "updateStatus">;
  readonly events: EventRecorder;
}

const MANAGER = "ferrite-vm-scheduler";

/** Names the host for each VirtualMachine; one at a time, so that no memory is promised twice. */
export function addVirtualMachineController(
  manager: Registrar,
  { client, events }: VirtualMachineControllerOptions,
): void {
  const cache = manager.cache(VIRTUAL_MACHINES);
  const vms = objectAccess({ type: VIRTUAL_MACHINES, cache, client, events, fieldManager: MANAGER });
  const using = (namespace: string, refers: (source: BlockSource) => boolean): readonly Request[] =>
    vms
      .list()
      .filter(
        ({ metadata, spec }) =>
          metadata.namespace === namespace && (spec.disks ?? []).some(({ source }) => refers(source)),
      )
      .map(requestFor);
  const waiting = (): readonly Request[] =>
    vms
      .list()
      .filter(({ status }) => status?.hostName === undefined)
      .map(requestFor);
  manager.add({
    name: "virtual-machine",
    concurrency: 1,
    sources: [
      objects(VIRTUAL_MACHINES),
      // A guest that went away leaves room for one that waits.
      objects(VIRTUAL_MACHINES, waiting),
      objects(HOSTS, () => vms.list().map(requestFor)),
      objects(VOLUMES, ({ metadata }) =>
        using(metadata.namespace, ({ volumeRef }) => volumeRef?.name === metadata.name),
      ),
      objects(MIRRORS, ({ metadata }) =>
        using(metadata.namespace, ({ mirrorRef }) => mirrorRef?.name === metadata.name),
      ),
      objects(IMPORTS, ({ metadata }) =>
        using(metadata.namespace, ({ importRef }) => importRef?.name === metadata.name),
      ),
    ],
    reconcile: vmPlacementReconciler({
      vms,
      runs: apiRunStore(client),
      hosts: objectReader(manager.cache(HOSTS)),
      volumes: objectReader(manager.cache(VOLUMES)),
      mirrors: objectReader(manager.cache(MIRRORS)),
      imports: objectReader(manager.cache(IMPORTS)),
    }),
  });
}
