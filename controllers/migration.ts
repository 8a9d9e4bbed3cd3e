import type { RestClient } from "../client/rest.ts";
import { MIGRATIONS } from "../crds/generated/migration.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import { migrationReconciler } from "../reconcilers/migration/reconcile.ts";
import type { Registrar } from "./manager.ts";
import { objectAccess } from "./object-access.ts";
import { objects } from "./source.ts";

export interface MigrationControllerOptions {
  readonly client: Pick<RestClient, "apply" | "patch">;
  readonly events: EventRecorder;
}

/** Answers Migrations. */
export function addMigrationController(manager: Registrar, { client, events }: MigrationControllerOptions): void {
  const cache = manager.cache(MIGRATIONS);
  const migrations = objectAccess({ type: MIGRATIONS, cache, client, events, fieldManager: "ferrite-migration" });
  manager.add({
    name: "migration",
    sources: [objects(MIGRATIONS)],
    reconcile: migrationReconciler(migrations),
  });
}
