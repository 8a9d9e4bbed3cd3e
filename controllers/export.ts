import type { RestClient } from "../client/rest.ts";
import { ALLOCATIONS } from "../crds/generated/allocation.ts";
import { type Export, EXPORTS } from "../crds/generated/export.ts";
import { IMPORTS } from "../crds/generated/import.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { Request } from "../machinery/result.ts";
import { exportPlacementReconciler } from "../reconcilers/export/place.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objectMaker, objectReader } from "./object-maker.ts";
import { objects, requestFor } from "./source.ts";

export interface ExportControllerOptions {
  readonly client: Pick<RestClient, "apply" | "patch" | "create" | "delete">;
  readonly events: EventRecorder;
}

const MANAGER = "ferrite-export";

/** Says which host serves each Export: the volume's, or the mirror's primary. */
export function addExportController(manager: Registrar, { client, events }: ExportControllerOptions): void {
  const exports = objectAccess({ type: EXPORTS, cache: manager.cache(EXPORTS), client, events, fieldManager: MANAGER });
  const of = (namespace: string, refers: (spec: Export["spec"]) => boolean): Request[] =>
    exports
      .list()
      .filter(({ metadata, spec }) => metadata.namespace === namespace && refers(spec))
      .map(requestFor);
  manager.add({
    name: "export",
    concurrency: 1,
    sources: [
      objects(EXPORTS),
      objects(ALLOCATIONS, ({ metadata }) =>
        metadata.name.startsWith("export-") ? exports.list().map(requestFor) : [],
      ),
      objects(VOLUMES, ({ metadata }) => of(metadata.namespace, (spec) => spec.volumeRef?.name === metadata.name)),
      objects(MIRRORS, ({ metadata }) => of(metadata.namespace, (spec) => spec.mirrorRef?.name === metadata.name)),
      objects(IMPORTS, ({ metadata }) => of(metadata.namespace, (spec) => spec.importRef?.name === metadata.name)),
    ],
    reconcile: exportPlacementReconciler({
      exports,
      allocations: objectMaker({ type: ALLOCATIONS, cache: manager.cache(ALLOCATIONS), client, fieldManager: MANAGER }),
      volumes: objectReader(manager.cache(VOLUMES)),
      mirrors: objectReader(manager.cache(MIRRORS)),
      imports: objectReader(manager.cache(IMPORTS)),
    }),
  });
}
