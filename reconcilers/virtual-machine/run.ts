import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import { type Attempts, NO_ATTEMPTS, readAttempts, uptimeSeconds, writeAttempts } from "../../executors/vm/attempts.ts";
import { type GuestSpec, type Hypervisor, type Inspection, StartError } from "../../executors/vm/guest.ts";
import { preflight } from "../../executors/vm/preflight.ts";
import type { ReconcileContext } from "../../machinery/result.ts";
import type { Doing, VirtualMachineDeps } from "./deps.ts";
import { desiredGuest, guestDisks } from "./desired.ts";
import { disksReady, not, running, type VmReport } from "./report.ts";
import { hasLasted, pauseSeconds } from "./starts.ts";

/** Makes the guest, paused: what lets it run is the next step, after another look at who may. */
export async function start(
  deps: VirtualMachineDeps,
  context: ReconcileContext,
  { vm, hypervisor }: Doing,
): Promise<"again" | VmReport> {
  const { exec, hostName } = deps;
  const uid = vm.metadata.uid ?? "";
  const disks = guestDisks(vm, deps);
  if ("reason" in disks) {
    const report = not("Pending", disks.reason, disks.message);
    return { ...report, conditions: [...report.conditions, disksReady(disks)] };
  }
  const spec = desiredGuest(vm, disks);
  const now = await uptimeSeconds(exec, context.signal);
  const attempts = await readAttempts(uid, exec, context.signal);
  const pause = pauseSeconds(attempts, now);
  if (pause > 0) return crashLoop(attempts, pause, await hypervisor.consoleTail(uid, context.signal), hostName);
  const started: Attempts = { count: attempts.count + 1, lastSeconds: now, spec };
  try {
    const instances = await hypervisor.list(context.signal);
    const freeBytes = await hypervisor.freeMemory(context.signal);
    await preflight(spec, { instances, freeBytes }, exec, context.signal);
    // Written before: a crash right here must count as a start.
    await writeAttempts(uid, started, exec, context.signal);
    await prepare(deps, context, hypervisor, started, spec);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    deps.vms.event(vm, "Warning", error.reason, `${hostName}: ${error.message}`);
    const report = not("Pending", error.reason, `${hostName}: ${error.message}`);
    return { ...report, conditions: [...report.conditions, disksReady()] };
  }
  context.log.info({ guest: spec.name }, "made a guest");
  return "again";
}

/** A start that made nothing is remembered with its reason: until the next one there is nothing else to tell. */
async function prepare(
  { exec }: VirtualMachineDeps,
  { signal }: ReconcileContext,
  hypervisor: Hypervisor,
  started: Attempts,
  spec: GuestSpec,
): Promise<void> {
  try {
    await hypervisor.prepare(spec, signal);
  } catch (error) {
    if (error instanceof StartError) {
      const failure = { reason: error.reason, message: error.message };
      await writeAttempts(spec.uid, { ...started, failure }, exec, signal);
    }
    throw error;
  }
}

function crashLoop({ count, failure }: Attempts, pause: number, tail: string, hostName: string): VmReport {
  if (failure !== undefined) {
    const report = not(
      "Pending",
      failure.reason,
      `${hostName}: ${failure.message}; next start in ${Math.ceil(pause)} s`,
      Math.ceil(pause * 1000),
    );
    return { ...report, conditions: [...report.conditions, disksReady()] };
  }
  const said = tail === "" ? "it wrote nothing on its console" : `its console says: ${tail.split("\n").join(" | ")}`;
  const message = `ended on ${hostName} soon after its start, ${count} time(s) in a row; next start in ${Math.ceil(pause)} s; ${said}`;
  const report = not("Crashed", "CrashLoopBackOff", message, Math.ceil(pause * 1000));
  return { ...report, conditions: [...report.conditions, disksReady()] };
}

/** Lets a prepared guest run; looks after one that runs. */
export async function watch(
  deps: VirtualMachineDeps,
  context: ReconcileContext,
  { act, vm, hypervisor, seen }: Doing,
): Promise<"again" | VmReport> {
  if (seen === undefined) return "again";
  const { exec, hostName } = deps;
  const { instance, inspection } = seen;
  const uid = vm.metadata.uid ?? "";
  const attempts = await readAttempts(uid, exec, context.signal);
  if (act === "resume") {
    await hypervisor.resume(instance, attempts.spec ?? desiredGuest(vm, []), context.signal);
    if (inspection.state === "ioError")
      return not(
        "Paused",
        "DiskError",
        `a disk of it failed on ${hostName}: it stands still, and is let go on again and again`,
      );
    deps.vms.event(vm, "Normal", "Started", `runs on ${hostName}`);
    return "again";
  }
  await keepAttempts(deps, context, uid, attempts);
  const wanted = desiredOrLast(vm, deps, attempts);
  await squeeze(wanted, attempts.spec, inspection, (bytes) => hypervisor.balloon(instance, bytes, context.signal));
  const report = running(
    hostName,
    hypervisor.consoleCommand(uid, wanted.name),
    inspection,
    changes(wanted, attempts.spec),
  );
  return { ...report, conditions: [...report.conditions, disksReady()] };
}

/** A disk that is not told of now is there all the same: the guest uses it. */
function desiredOrLast(vm: VirtualMachine, deps: VirtualMachineDeps, { spec }: Attempts): GuestSpec {
  const disks = guestDisks(vm, deps);
  return desiredGuest(vm, "reason" in disks ? (spec?.disks ?? []) : disks);
}

async function keepAttempts(
  { exec }: VirtualMachineDeps,
  { signal }: ReconcileContext,
  uid: string,
  attempts: Attempts,
): Promise<void> {
  const { stoppingSinceSeconds, ...rest } = attempts;
  const lasted = hasLasted(attempts, await uptimeSeconds(exec, signal));
  if (!lasted && stoppingSinceSeconds === undefined) return;
  await writeAttempts(uid, lasted ? { ...rest, ...NO_ATTEMPTS } : rest, exec, signal);
}

/** A running guest can be made smaller, and larger again up to what it was started with. */
async function squeeze(
  { memoryBytes }: GuestSpec,
  started: GuestSpec | undefined,
  seen: Inspection,
  balloon: (bytes: number) => Promise<void>,
): Promise<void> {
  if (started === undefined || seen.memoryBytes === undefined) return;
  const wanted = Math.min(memoryBytes, started.memoryBytes);
  if (wanted !== seen.memoryBytes) await balloon(wanted);
}

/** Fields of the spec that differ from what the guest was started as; less memory needs no new start. */
function changes(wanted: GuestSpec, started: GuestSpec | undefined): readonly string[] {
  if (started === undefined) return [];
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  return [
    ...(wanted.cpus === started.cpus ? [] : ["spec.cpus was changed"]),
    ...(wanted.memoryBytes <= started.memoryBytes ? [] : ["spec.memory.size was changed"]),
    ...(same(wanted.boot, started.boot) ? [] : ["spec.boot was changed"]),
    ...(same(wanted.xen, started.xen) ? [] : ["spec.xen was changed"]),
    ...(same(wanted.disks, started.disks) ? [] : ["spec.disks was changed"]),
    ...(same(wanted.networks, started.networks) ? [] : ["spec.networks was changed"]),
  ];
}
