import { readAttempts, uptimeSeconds, writeAttempts } from "../../executors/vm/attempts.ts";
import { HypervisorError } from "../../executors/vm/guest.ts";
import { parseDuration } from "../../machinery/duration.ts";
import type { ReconcileContext } from "../../machinery/result.ts";
import type { Doing, VirtualMachineDeps } from "./deps.ts";
import { not, type VmReport } from "./report.ts";

/** A guest that was just booting may have missed the button. */
const PRESS_AGAIN_MS = 5_000;

/** Asks the guest to shut down, again and again until its deadline; then it is switched off. */
export async function stop(
  deps: VirtualMachineDeps,
  context: ReconcileContext,
  { vm, hypervisor, seen }: Doing,
): Promise<"again" | VmReport> {
  if (seen === undefined) return "again";
  const { exec, hostName } = deps;
  const uid = vm.metadata.uid ?? "";
  const now = await uptimeSeconds(exec, context.signal);
  const attempts = await readAttempts(uid, exec, context.signal);
  const since = attempts.stoppingSinceSeconds ?? now;
  if (attempts.stoppingSinceSeconds === undefined) {
    await writeAttempts(uid, { ...attempts, stoppingSinceSeconds: now }, exec, context.signal);
    deps.vms.event(vm, "Normal", "Stopping", `asked to shut down on ${hostName}`);
  }
  const leftMs = parseDuration(vm.spec.shutdownDeadline) - (now - since) * 1000;
  if (leftMs <= 0) {
    await hypervisor.destroy(seen.instance, context.signal);
    const message = `did not shut down in ${vm.spec.shutdownDeadline}: switched off on ${hostName}`;
    deps.vms.event(vm, "Warning", "ShutdownDeadline", message);
    return "again";
  }
  try {
    await hypervisor.askToShutDown(seen.instance, context.signal);
  } catch (error) {
    if (!(error instanceof HypervisorError)) throw error; // it does not hear; the deadline comes all the same
  }
  const message = `was asked to shut down on ${hostName}; is switched off in ${Math.ceil(leftMs / 1000)} s`;
  return not("Stopping", "ShuttingDown", message, Math.min(PRESS_AGAIN_MS, leftMs));
}
