import type { Host } from "../../crds/generated/host.ts";
import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import { findCondition, isConditionTrue } from "../../machinery/conditions.ts";
import { done, type Reconcile, requeueAfter } from "../../machinery/result.ts";
import type { PlaceSources } from "../block-source.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { BLOCKED_RETRY_MS, type ConditionFact, ready, type Report, runPass } from "../pass.ts";
import { asSchedulerSees } from "../virtual-machine/report.ts";
import type { RunStore } from "../virtual-machine/deps.ts";
import { misplaced, placeVm, type PlacementWorld } from "./place.ts";

export interface VmPlacementDeps extends PlaceSources {
  readonly vms: ObjectAccess<VirtualMachine>;
  readonly hosts: ObjectReader<Host>;
  readonly runs: RunStore;
}

type VmReport = Report<VirtualMachine>;

const scheduled = (status: ConditionFact["status"], reason: string, message: string): ConditionFact => ({
  ...ready(status, reason, message),
  type: "Scheduled",
});

/**
 * Names the host for each guest. A guest that may run somewhere is never moved from here: it is on the host that the record
 * names. One leader runs this, one guest at a time, so that no memory is promised twice.
 */
export function vmPlacementReconciler(deps: VmPlacementDeps): Reconcile {
  /** Named in this term but perhaps not yet in the cache; by uid. */
  const assumed = new Map<string, string>();
  const hostOf = ({ metadata, status }: VirtualMachine): string | undefined => {
    const uid = metadata.uid ?? "";
    if (status?.hostName === assumed.get(uid)) assumed.delete(uid);
    return status?.run?.hostName ?? assumed.get(uid) ?? status?.hostName;
  };
  return async (context, request) => {
    const vm = deps.vms.get(request);
    if (vm === undefined) return done;
    const world = { ...deps, hosts: deps.hosts.list(), vms: deps.vms.list(), hostOf };
    const holder = vm.status?.run?.hostName;
    if (holder !== undefined) {
      const lost = mayBeTakenFrom(deps.hosts.get({ namespace: "", name: holder }), holder);
      if (lost !== undefined) return release(deps, context, request, holder, lost);
    } else if (vm.metadata.deletionTimestamp !== undefined) return done;
    const work = async () => {
      const report = holder === undefined ? place(vm, world) : placed(vm, holder, world);
      const { hostName } = report.fields ?? {};
      if (hostName !== undefined) assumed.set(vm.metadata.uid ?? "", hostName);
      return report;
    };
    return runPass(context, deps.vms, asSchedulerSees(vm), work, "Scheduled");
  };
}

function place(vm: VirtualMachine, world: PlacementWorld): VmReport {
  const placement = placeVm(vm, world);
  if (placement.kind === "placed") return on(placement.hostName);
  return {
    fields: { phase: "Pending" },
    conditions: [
      scheduled("False", placement.reason, placement.message),
      ready("False", placement.reason, placement.message),
    ],
    next: requeueAfter(BLOCKED_RETRY_MS, placement.reason),
  };
}

const on = (hostName: string): VmReport => ({
  fields: { hostName },
  conditions: [scheduled("True", "Placed", `on ${hostName}`)],
});

/** It has a host. Says so when that is not where it is asked to be, and when nobody hears of that host any more. */
function placed(vm: VirtualMachine, hostName: string, world: PlacementWorld): VmReport {
  const host = world.hosts.find(({ metadata }) => metadata.name === hostName);
  const report = on(hostName);
  if (host === undefined) return report;
  const against = vm.spec.runStrategy === "Always" ? misplaced(vm, host, world) : undefined;
  const conditions =
    against === undefined
      ? report.conditions
      : [
          scheduled(
            "False",
            "Misplaced",
            `runs on ${hostName}, although: ${against}; halt it, and it starts elsewhere`,
          ),
        ];
  if (isConditionTrue(host.status?.conditions, "Ready")) return { ...report, conditions };
  const why = findCondition(host.status?.conditions, "Ready")?.message ?? "it has not reported yet";
  const message = `${hostName} may still run it and does not answer (${why}): it is started elsewhere only when ${hostName} is confirmed to be off (condition Fenced of the Host) or the Host is deleted`;
  return { ...report, conditions: [...conditions, ready("Unknown", "HostLost", message)] };
}

/** Why a host's right to run guests may be taken away: it is known to run none. */
function mayBeTakenFrom(host: Host | undefined, hostName: string): string | undefined {
  if (host === undefined) return `there is no Host ${hostName} any more`;
  return isConditionTrue(host.status?.conditions, "Fenced") ? `${hostName} is confirmed to be off` : undefined;
}

async function release(
  deps: VmPlacementDeps,
  context: Parameters<Reconcile>[0],
  request: Parameters<Reconcile>[1],
  holder: string,
  why: string,
): ReturnType<Reconcile> {
  const fresh = await deps.runs.read(request, context.signal);
  if (fresh?.status?.run?.hostName !== holder) return requeueAfter(0, "the record has changed");
  const written = await deps.runs.write(fresh, undefined, context.signal);
  if (written === undefined) return requeueAfter(0, "somebody was faster");
  deps.vms.event(fresh, "Warning", "Released", `${holder} may no longer run it: ${why}`);
  context.log.warn({ holder, why }, "took a guest's record from a host");
  return done;
}
