import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Import } from "../../crds/generated/import.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { Step } from "../../executors/driver.ts";
import { detachStep, IN_USE_EXIT_CODE, observeDevices, planLink } from "../../executors/nbd/device.ts";
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

/** The device first, for it may be in use; the link only when it is ours: the device of another may have the name. */
async function removalSteps(deps: ImportDeps, context: ReconcileContext, imported: Import): Promise<readonly Step[]> {
  const observed = await observeDevices(deps.exec, context.signal);
  const devices = observed.devices.filter(({ backend }) => isDeviceOf(imported, backend));
  const { devicePath, kernelDevice } = imported.status ?? {};
  const name = devicePath?.split("/").at(-1);
  const ours = observed.links.find((link) => link.name === name && link.target === kernelDevice);
  const unlink = ours === undefined ? undefined : planLink(ours.name, undefined, observed);
  return [...devices.map(detachStep), ...(unlink?.kind === "steps" ? unlink.steps : [])];
}
