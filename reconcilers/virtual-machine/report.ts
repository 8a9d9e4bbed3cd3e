import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import type { Inspection } from "../../executors/vm/guest.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import { requeueAfter } from "../../machinery/result.ts";
import { BLOCKED_RETRY_MS, type ConditionFact, ready, type Report } from "../pass.ts";

export type VmReport = Report<VirtualMachine>;
/** What the agent writes of the status; the rest is the scheduler's, and the record of who may run it is nobody's alone. */
type Fields = NonNullable<VmReport["fields"]>;

/** Nothing tells of every end of a guest; this is how soon it is seen at the latest. */
const OBSERVE_AGAIN_MS = 10_000;

/** The object without the fields of the scheduler and the record, which an apply of the agent must not claim. */
export function asAgentSees(vm: VirtualMachine): VirtualMachine {
  const { run: _, hostName: __, ...status } = vm.status ?? {};
  return { ...vm, status };
}

/** The same for the scheduler. */
export function asSchedulerSees(vm: VirtualMachine): VirtualMachine {
  const { run: _, memory: __, console: ___, ...status } = vm.status ?? {};
  return { ...vm, status };
}

/** The disks are there, or why not. */
export const disksReady = (problem?: { readonly reason: string; readonly message: string }): ConditionFact => ({
  ...(problem === undefined
    ? ready("True", "Present", "all disks are there")
    : ready("False", problem.reason, problem.message)),
  type: "DisksReady",
});

export const notMigratable = (): ConditionFact => ({
  ...ready(
    "False",
    "NotSupported",
    "live migration is not supported by this version: halt it, change its placement, start it",
  ),
  type: "Migratable",
});

/** Not as it should be; looked at again soon. */
export const not = (phase: string, reason: string, message: string, afterMs = BLOCKED_RETRY_MS): VmReport => ({
  fields: { phase },
  conditions: [ready("False", reason, message), notMigratable()],
  next: requeueAfter(afterMs, reason),
});

export const resting = (message: string): VmReport => ({
  fields: { phase: "Halted" },
  conditions: [ready("True", "Halted", message), notMigratable()],
});

/** `changed`: what was changed since it was started and needs another start. */
export function running(
  hostName: string,
  console: string,
  { memoryBytes, accelerated }: Inspection,
  changed: readonly string[],
): VmReport {
  const how = accelerated === false ? ", emulated and slow: /dev/kvm does not work there" : "";
  const later = changed.length === 0 ? "" : `; ${changed.join(", ")}: in force when it is started again`;
  const fields: Fields = {
    phase: "Running",
    console: `on ${hostName}: ${console}`,
    ...(memoryBytes === undefined ? {} : { memory: formatBytes(memoryBytes) }),
  };
  return {
    fields,
    conditions: [ready("True", "Running", `runs on ${hostName}${how}${later}`), notMigratable()],
    next: requeueAfter(OBSERVE_AGAIN_MS, "see whether it runs"),
  };
}
