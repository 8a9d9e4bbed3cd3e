import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Import } from "../../crds/generated/import.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { Step } from "../../executors/driver.ts";
import type { ExportProtocol } from "../../executors/export-server.ts";
import { detachStep, IN_USE_EXIT_CODE, observeDevices, planLink } from "../../executors/import-device.ts";
import { done, type ReconcileContext, requeueAfter, type Result } from "../../machinery/result.ts";
import { applyPlan, ready, type Report, runPass, waiting } from "../pass.ts";
import { isDeviceOf } from "./names.ts";
import type { ImportDeps } from "./reconcile.ts";

/** Takes the device and its link away. A device that is in use stays, and the condition says so. */
export async function finalizeImport(deps: ImportDeps, context: ReconcileContext, imported: Import): Promise<Result> {
  if (!imported.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
  let removed = false;
  const result = await runPass(context, deps.imports, imported, async (): Promise<Report<Import>> => {
    const steps = await removalSteps(deps, context, imported);
    try {
      const parts = { access: deps.imports, object: imported, exec: deps.exec, context };
      removed = (await applyPlan({ kind: "steps", steps }, parts)) === "nothing to do";
    } catch (error) {
      if (!(error instanceof CommandError) || error.output.exitCode !== IN_USE_EXIT_CODE) throw error;
      return waiting("InUse", `${imported.status?.devicePath} is in use on ${deps.hostName}: unmount it`);
    }
    return {
      conditions: [ready("False", "Deleting", `${deps.hostName} gives the device up`)],
      next: requeueAfter(0, "see whether it is gone"),
    };
  });
  if (!removed) return result;
  await deps.imports.removeFinalizer(imported, CLEANUP_FINALIZER);
  return done;
}

const PROTOCOLS: readonly ExportProtocol[] = ["NBD", "ISCSI", "NVMeTCP"];

/**
 * The device first, for it may be in use; the link only when it is ours: the device of another may have the name. An
 * Export that is gone does not tell its protocol any more: all are looked at.
 */
async function removalSteps(deps: ImportDeps, context: ReconcileContext, imported: Import): Promise<readonly Step[]> {
  const { namespace } = imported.metadata;
  const exported = deps.exports.get({ namespace, name: imported.spec.exportRef.name });
  const { devicePath, kernelDevice } = imported.status ?? {};
  const name = devicePath?.split("/").at(-1);
  const steps: Step[] = [];
  let unlink: readonly Step[] = [];
  for (const protocol of exported === undefined ? PROTOCOLS : [exported.spec.protocol]) {
    const observed = await observeDevices(protocol, deps.exec, context.signal);
    const devices = observed.devices.filter(({ backend }) => isDeviceOf(imported, backend));
    steps.push(...devices.map((device) => detachStep(protocol, device)));
    const ours = observed.links.find((link) => link.name === name && link.target === kernelDevice);
    const plan = ours === undefined ? undefined : planLink(ours.name, undefined, observed);
    if (plan?.kind === "steps") unlink = plan.steps;
  }
  return [...steps, ...unlink];
}
