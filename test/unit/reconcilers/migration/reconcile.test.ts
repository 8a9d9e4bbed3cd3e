import { expect, it } from "vitest";
import type { Migration, MigrationStatus } from "../../../../crds/generated/migration.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import { migrationReconciler } from "../../../../reconcilers/migration/reconcile.ts";

it("refuses a migration in so many words, instead of leaving it without an answer", async () => {
  const migration: Migration = {
    apiVersion: "ferrite.dev/v1alpha1",
    kind: "Migration",
    metadata: { namespace: "default", name: "m", uid: "u", generation: 3 },
    spec: { virtualMachineRef: { name: "web" }, targetHost: "beta", cancel: false },
  };
  let written: MigrationStatus | undefined;
  const reconcile = migrationReconciler({
    get: () => migration,
    list: () => [migration],
    addFinalizer: () => Promise.reject(new Error("nothing is to be cleaned up")),
    removeFinalizer: () => Promise.resolve(),
    writeStatus: async (_, status) => {
      written = status;
    },
    event: () => undefined,
  });
  const context = { log: silentLogger, signal: new AbortController().signal, now: () => new Date(0) };
  await reconcile(context, { namespace: "default", name: "m" });
  expect(written).toMatchObject({ phase: "Failed", observedGeneration: 3 });
  expect(written?.conditions).toMatchObject([{ type: "Ready", status: "False", reason: "NotSupported" }]);
  expect(written?.conditions?.[0]?.message).toMatch(/set runStrategy Halted.*placement/);
});
