import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import { type Hypervisor, HypervisorError, type Instance } from "../../executors/vm/guest.ts";
import { isConditionTrue } from "../../machinery/conditions.ts";
import { done, type Reconcile, type ReconcileContext, type Request, requeueAfter } from "../../machinery/result.ts";
import { runPass } from "../pass.ts";
import { type Act, decide, FATEFUL, type Situation } from "./decide.ts";
import type { Doing, Seen, VirtualMachineDeps } from "./deps.ts";
import { guestName } from "./desired.ts";
import { not, resting, type VmReport, asAgentSees } from "./report.ts";
import { stop } from "./stop.ts";
import { start, watch } from "./run.ts";

/** Steps that follow on each other are taken in one pass, each after a new look. */
const MAX_STEPS = 8;

/**
 * Runs the guests that this host may run, and ends those that it may not. Looks at all VirtualMachines: one that another
 * host runs may still have a guest here.
 */
export function virtualMachineReconciler(deps: VirtualMachineDeps): Reconcile {
  return async (context, request) => {
    const vm = deps.vms.get(request);
    if (vm === undefined) return done;
    if (!isReporter(deps, vm)) {
      await steps(deps, context, request, vm);
      return done;
    }
    if (vm.metadata.deletionTimestamp === undefined && !vm.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.vms.addFinalizer(vm, CLEANUP_FINALIZER);
      return done; // the write comes back as a change
    }
    let last: Step | undefined;
    const result = await runPass(context, deps.vms, asAgentSees(vm), async () => {
      last = await steps(deps, context, request, vm);
      return last.report;
    });
    if (last?.act !== "rest" || last.vm.metadata.deletionTimestamp === undefined) return result;
    await hypervisorOf(deps, vm)?.forget(vm.metadata.uid ?? "", context.signal);
    await deps.vms.removeFinalizer(last.vm, CLEANUP_FINALIZER);
    return done;
  };
}

/** Whoever may run it tells how it is; while nobody may, the host that was chosen. */
function isReporter({ hostName }: VirtualMachineDeps, { status }: VirtualMachine): boolean {
  return (status?.run?.hostName ?? status?.hostName) === hostName;
}

const hypervisorOf = (deps: VirtualMachineDeps, { spec }: VirtualMachine): Hypervisor | undefined =>
  deps.hypervisors[spec.hypervisor];

interface Step {
  readonly act: Act;
  readonly vm: VirtualMachine;
  readonly report: VmReport;
}

/** Looks, decides and acts until nothing more is to be done now. */
async function steps(
  deps: VirtualMachineDeps,
  context: ReconcileContext,
  request: Request,
  known: VirtualMachine,
): Promise<Step> {
  const hypervisor = hypervisorOf(deps, known);
  let vm = known;
  for (let step = 1; ; step++) {
    if (hypervisor === undefined) return withoutHypervisor(deps, vm);
    const seen = await observe(deps, hypervisor, vm, context.signal);
    let act = decide(situation(deps, vm, seen));
    if (FATEFUL.has(act)) {
      const fresh = await deps.runs.read(request, context.signal);
      // The object is gone, and nobody is left to say that its guest is not wanted: it stays as it is.
      if (fresh === undefined || fresh.metadata.uid !== known.metadata.uid) return { act: "wait", vm, report: gone() };
      vm = fresh;
      act = decide(situation(deps, vm, seen));
    }
    const outcome = await perform(deps, context, { act, vm, hypervisor, seen });
    if (outcome !== "again" && "metadata" in outcome) vm = outcome;
    else if (outcome !== "again") return { act, vm, report: outcome };
    if (step === MAX_STEPS)
      return { act, vm, report: not("Pending", "Progressing", "is being brought to what is asked", 0) };
  }
}

const gone = (): VmReport => ({ conditions: [], next: requeueAfter(1000, "the object is gone") });

function withoutHypervisor({ hostName }: VirtualMachineDeps, vm: VirtualMachine): Step {
  const message = `${hostName} cannot run guests of ${vm.spec.hypervisor}: see its status.software`;
  // A host that has no such hypervisor has no guest of it.
  return { act: "rest", vm, report: not("Pending", "HypervisorMissing", message) };
}

async function observe(
  deps: VirtualMachineDeps,
  hypervisor: Hypervisor,
  vm: VirtualMachine,
  signal: AbortSignal,
): Promise<Seen | undefined> {
  const all = await hypervisor.list(signal);
  const mine = all.filter((instance) => instance.uid === vm.metadata.uid || isAdopted(instance, vm, deps.vms.list()));
  const [instance, other] = mine;
  if (instance === undefined) return undefined;
  if (other !== undefined)
    throw new HypervisorError(`two guests here are ${guestName(vm)}: ${instance.id} and ${other.id}; end one of them`);
  return { instance, inspection: await hypervisor.inspect(instance, signal) };
}

/** A stranger of the name that the spec gives; the guest of another object is none, and the oldest object has the right. */
function isAdopted({ uid, name }: Instance, vm: VirtualMachine, all: readonly VirtualMachine[]): boolean {
  if (vm.spec.adopt === undefined || name !== guestName(vm)) return false;
  if (uid !== undefined && all.some(({ metadata }) => metadata.uid === uid)) return false;
  const age = ({ metadata }: VirtualMachine) => `${metadata.creationTimestamp ?? ""} ${metadata.uid ?? ""}`;
  return !all.some((each) => each.spec.adopt !== undefined && guestName(each) === name && age(each) < age(vm));
}

function situation(deps: VirtualMachineDeps, vm: VirtualMachine, seen: Seen | undefined): Situation {
  const { hostName } = deps;
  const holder = vm.status?.run?.hostName;
  const run = holder === undefined ? "free" : holder === hostName ? "mine" : "other";
  return {
    guest: seen?.inspection.state ?? "absent",
    run,
    wanted: isWanted(vm),
    chosen: vm.status?.hostName === hostName,
    overruled: isOverruled(deps, vm),
  };
}

const isWanted = ({ spec, metadata }: VirtualMachine): boolean =>
  spec.runStrategy === "Always" && metadata.deletionTimestamp === undefined;

/** This side of a mirror that the guest writes to is frozen, and the other side has gone on without it. */
function isOverruled({ replicas, hostName }: VirtualMachineDeps, { metadata, spec }: VirtualMachine): boolean {
  const mirrors = (spec.disks ?? []).flatMap(({ source, readOnly }) => (readOnly ? [] : [source.mirrorRef?.name]));
  return replicas
    .list()
    .some(
      (replica) =>
        replica.metadata.namespace === metadata.namespace &&
        replica.spec.hostName === hostName &&
        mirrors.includes(replica.spec.mirrorRef.name) &&
        isConditionTrue(replica.status?.conditions, "NeedsReboot"),
    );
}

/** The changed object, `again` when the world has changed, or what there is to report. */
type Outcome = VirtualMachine | "again" | VmReport;

async function perform(deps: VirtualMachineDeps, context: ReconcileContext, doing: Doing): Promise<Outcome> {
  return ACTS[doing.act](deps, context, doing);
}

type Perform = (deps: VirtualMachineDeps, context: ReconcileContext, doing: Doing) => Promise<Outcome>;

const ACTS: Readonly<Record<Act, Perform>> = {
  claim: async ({ runs, hostName }, { signal }, { vm }) => (await runs.write(vm, hostName, signal)) ?? "again",
  release: async ({ runs }, { signal }, { vm }) => (await runs.write(vm, undefined, signal)) ?? "again",
  start,
  resume: watch,
  watch,
  shutDown: stop,
  destroy,
  wait: async ({ hostName }, _, { seen }) => waitingReport(hostName, seen),
  rest: async ({ hostName }, _, { vm }) =>
    isWanted(vm)
      ? not("Pending", "Overruled", `another host has taken a disk of it over: it does not start on ${hostName}`)
      : resting("is halted, as asked"),
};

async function destroy(
  deps: VirtualMachineDeps,
  context: ReconcileContext,
  { vm, hypervisor, seen }: Doing,
): Promise<Outcome> {
  if (seen === undefined) return "again";
  const { state, detail } = seen.inspection;
  await hypervisor.destroy(seen.instance, context.signal);
  if (state === "shuttingDown") {
    deps.vms.event(vm, "Normal", "Ended", `has shut down on ${deps.hostName}`);
    return "again";
  }
  const why = destructionReason(deps, vm, detail ?? state);
  deps.vms.event(vm, "Warning", "Destroyed", `switched off on ${deps.hostName}: ${why}`);
  context.log.warn({ instance: seen.instance.id, state }, "switched a guest off");
  return "again";
}

function destructionReason(deps: VirtualMachineDeps, vm: VirtualMachine, state: string): string {
  if (vm.status?.run?.hostName !== deps.hostName) return `${deps.hostName} may not run it`;
  return isOverruled(deps, vm) ? "another host has taken its disk over" : `it was ${state}`;
}

function waitingReport(hostName: string, seen: Seen | undefined): VmReport {
  const { state, detail } = seen?.inspection ?? {};
  if (state === "dying")
    return not(
      "Stopping",
      "Dying",
      `its process on ${hostName} has ended, but the kernel still holds its devices: a disk of it does not answer`,
    );
  if (state === "paused")
    return not("Paused", "Paused", `somebody paused it on ${hostName} (${detail}): it goes on when they let it`);
  return not("Unknown", "NoAnswer", `it is there on ${hostName} and does not answer: ${detail}`);
}
