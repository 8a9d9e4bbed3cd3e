import { API_VERSION } from "../../crds/constants.ts";
import type { Allocation } from "../../crds/generated/allocation.ts";
import type { Export } from "../../crds/generated/export.ts";
import { onDiskNameProblem } from "../../crds/on-disk-name.ts";
import { done, type Reconcile, type Request, requeueAfter } from "../../machinery/result.ts";
import { type PlaceSources, sourceHost } from "../block-source.ts";
import type { ObjectAccess, ObjectMaker } from "../object-access.ts";
import { BLOCKED_RETRY_MS, type ConditionFact, type Report, ready, runPass } from "../pass.ts";
import { exportKey, exportNameOf, exportNameProblem, protocolProblem } from "./names.ts";

export interface ExportPlacementDeps extends PlaceSources {
  readonly exports: ObjectAccess<Export>;
  readonly allocations: ObjectMaker<Allocation>;
}

/**
 * Says which host serves an Export: where its source can be used. Once a host was named the export keeps it until the
 * source is usable elsewhere. While there is none, this controller says Ready=False too, for no agent can.
 */
export function exportPlacementReconciler(deps: ExportPlacementDeps): Reconcile {
  return async (context, request) => {
    const exported = deps.exports.get(request);
    if (exported === undefined) {
      await releaseClaims(deps, request);
      return done;
    }
    if (exported.metadata.deletionTimestamp !== undefined) return done;
    return runPass(context, deps.exports, exported, () => place(deps, exported), "Placed");
  };
}

async function place(deps: ExportPlacementDeps, exported: Export): Promise<Report<Export>> {
  const { metadata, spec } = exported;
  const name = exportNameOf(exported);
  const problem = onDiskNameProblem(exportKey(exported)) ?? exportNameProblem(name);
  if (problem !== undefined) return unplaced(exported, "NameInvalid", problem);
  const unsupported = protocolProblem(exported);
  if (unsupported !== undefined) return unplaced(exported, "ProtocolNotSupported", unsupported);
  const taken = await claimName(deps, exported, name);
  if (taken !== undefined)
    return { ...unplaced(exported, "NameTaken", taken), next: requeueAfter(BLOCKED_RETRY_MS, "NameTaken") };
  const host = sourceHost(metadata.namespace, spec, deps);
  if (typeof host === "string")
    return { fields: { hostName: host }, conditions: [placed("True", "Placed", `on ${host}`)] };
  return unplaced(exported, host.reason, host.message);
}

const placed = (status: ConditionFact["status"], reason: string, message: string): ConditionFact => ({
  ...ready(status, reason, message),
  type: "Placed",
});

/** A host that was named stays named: between two primaries, and until it has told that nothing is left there. */
function unplaced({ status }: Export, reason: string, message: string): Report<Export> {
  if (status?.hostName === undefined)
    return { fields: {}, conditions: [placed("False", reason, message), ready("False", reason, message)] };
  return { fields: { hostName: status.hostName }, conditions: [placed("False", reason, message)] };
}

/** Claims the name in the cluster; who has it, when it is another's. */
async function claimName(deps: ExportPlacementDeps, exported: Export, name: string): Promise<string | undefined> {
  const { metadata } = exported;
  const claimed = `export-${name}`;
  const uid = metadata.uid ?? "";
  const there = () => deps.allocations.get({ namespace: "", name: claimed });
  const owner = { kind: "Export", namespace: metadata.namespace, name: metadata.name, uid };
  if (there() === undefined) {
    const claim = {
      apiVersion: API_VERSION,
      kind: "Allocation" as const,
      metadata: { name: claimed },
      spec: { owner },
    };
    if ((await deps.allocations.create(claim)) === "created") return undefined;
  }
  const holder = there()?.spec.owner;
  if (holder?.uid === uid) return undefined;
  if (holder === undefined) return `the name ${name} is taken`;
  const isGone = deps.exports.get(holder)?.metadata.uid !== holder.uid;
  const allocation = there();
  if (isGone && allocation !== undefined) await deps.allocations.delete(allocation);
  return `the name ${name} is taken by ${holder.kind} ${holder.namespace}/${holder.name}`;
}

/** The claims of an Export that is gone. */
async function releaseClaims({ allocations }: ExportPlacementDeps, { namespace, name }: Request): Promise<void> {
  for (const allocation of allocations.list()) {
    const { owner } = allocation.spec;
    if (owner.kind === "Export" && owner.namespace === namespace && owner.name === name)
      await allocations.delete(allocation);
  }
}
