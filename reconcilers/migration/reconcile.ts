import type { Migration } from "../../crds/generated/migration.ts";
import { done, type Reconcile } from "../../machinery/result.ts";
import type { ObjectAccess } from "../object-access.ts";
import { ready, type Report, runPass } from "../pass.ts";

const MESSAGE =
  "live migration is not supported by this version: set runStrategy Halted on the VirtualMachine, change its placement, and set runStrategy Always";

/** Refuses every Migration in its status: nobody waits for one that never comes. The guest is not touched. */
export function migrationReconciler(migrations: ObjectAccess<Migration>): Reconcile {
  return async (context, request) => {
    const migration = migrations.get(request);
    if (migration === undefined || migration.metadata.deletionTimestamp !== undefined) return done;
    const report: Report<Migration> = {
      fields: { phase: "Failed" },
      conditions: [ready("False", "NotSupported", MESSAGE)],
    };
    return runPass(context, migrations, migration, async () => report);
  };
}
