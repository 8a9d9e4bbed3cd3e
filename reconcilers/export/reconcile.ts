import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Export, ExportStatus } from "../../crds/generated/export.ts";
import type { Host } from "../../crds/generated/host.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";
import type { Executor } from "../../executors/command/types.ts";
import {
  type DesiredExport,
  NBD_PORT,
  type ObservedServer,
  observeServer,
  planExport,
  planWithdrawal,
  writePermit,
} from "../../executors/nbd/server.ts";
import { apply, type Plan } from "../../executors/driver.ts";
import { formatTime } from "../../machinery/clock.ts";
import { done, type Reconcile, type ReconcileContext, type Request, requeueAfter } from "../../machinery/result.ts";
import { type DeviceSources, sourceDevice } from "../block-source.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { applyPlan, BLOCKED_RETRY_MS, ready, type Report, runPass } from "../pass.ts";
import { exportKey, exportNameOf, protocolProblem } from "./names.ts";

export interface ExportDeps extends DeviceSources {
  /** Address of this host: what nbd-server listens on. */
  readonly address: string;
  readonly exec: Executor;
  readonly exports: ObjectAccess<Export>;
  readonly hosts: ObjectReader<Host>;
  /** A device was let go: somebody may wait to demote or remove it. */
  readonly released: () => void;
  /** The object as the store has it now, by quorum; `undefined`: it is gone. Throws when the API does not answer. */
  readExport(request: Request, signal: AbortSignal): Promise<Export | undefined>;
}

/** How often the list of clients is read again, which lets new writers come, and who is connected is looked at. */
const OBSERVE_AGAIN_MS = 15_000;

type Fields = Omit<ExportStatus, "conditions" | "observedGeneration" | "hostName">;

/** Serves an Export while its source is usable on this host; wherever it is not, nothing of it is left. */
export function exportReconciler(deps: ExportDeps): Reconcile {
  return async (context, request) => {
    const exported = deps.exports.get(request);
    if (exported?.status?.hostName !== deps.hostName) {
      await withdrawHere(deps, context, onDiskName(request.namespace, request.name));
      return done;
    }
    if (exported.metadata.deletionTimestamp !== undefined) {
      if (!exported.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
      await withdrawHere(deps, context, exportKey(exported));
      await deps.exports.removeFinalizer(exported, CLEANUP_FINALIZER);
      return done;
    }
    if (!exported.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.exports.addFinalizer(exported, CLEANUP_FINALIZER);
      return done; // the write comes back as a change
    }
    return runPass(context, deps.exports, exported, () => serve(deps, context, request, exported));
  };
}

/** Returns when nothing listens and no session is left; throws while one does not end. */
async function withdrawHere(
  { exec, released }: ExportDeps,
  { signal, log }: ReconcileContext,
  key: string,
): Promise<void> {
  for (let changed = false; ; changed = true) {
    const plan = planWithdrawal(key, await observeServer(key, exec, signal));
    if (plan.kind === "blocked" || plan.steps.length === 0) {
      if (changed) released();
      return;
    }
    log.info({ steps: plan.steps.map(({ why }) => why) }, "withdrawing an export");
    await apply(plan, exec, signal);
  }
}

async function serve(
  deps: ExportDeps,
  context: ReconcileContext,
  request: Request,
  cached: Export,
): Promise<Report<Export>> {
  const { exec } = deps;
  const key = exportKey(cached);
  const unsupported = protocolProblem(cached);
  const source =
    unsupported === undefined
      ? sourceDevice(request.namespace, cached.spec, deps)
      : { reason: "ProtocolNotSupported", message: unsupported };
  if (!("device" in source)) {
    // First of all: somebody may wait for the device to be let go.
    await withdrawHere(deps, context, key);
    return notReady(source.reason, source.message);
  }
  const before = await observeServer(key, exec, context.signal);
  const current = await deps.readExport(request, context.signal);
  if (current?.status?.hostName !== deps.hostName || current.metadata.uid !== cached.metadata.uid)
    return notReady("Moving", `the store no longer names ${deps.hostName} as the host`);
  const desired: DesiredExport = {
    key,
    exportName: exportNameOf(current),
    device: source.device,
    readOnly: current.spec.readOnly,
    allowed: allowedAddresses(deps, current),
    listenAddress: deps.address,
  };
  await writePermit(key, before.uptimeSeconds, exec, context.signal);
  const parts = { access: deps.exports, object: cached, exec, context };
  const result = await applyPlan(planExport(desired, before), parts);
  if (result === "nothing to do") return serving(deps, desired, before);
  if (result !== "changed") return notReady(result.reason, result.message);
  const after = await observeServer(key, exec, context.signal);
  if (isDone(planExport(desired, after))) return serving(deps, desired, after);
  return { ...notReady("Progressing", "the server is being set up"), next: requeueAfter(0, "see what was changed") };
}

const isDone = (plan: Plan): boolean => plan.kind === "steps" && plan.steps.length === 0;

/** Nothing is offered: no address and no clients are told. */
const notReady = (reason: string, message: string): Report<Export> => ({
  fields: {},
  conditions: [ready("False", reason, message)],
  next: requeueAfter(BLOCKED_RETRY_MS, reason),
});

/** A host connects from the address for exports, whichever of its addresses people gave to it. */
function allowedAddresses({ hosts }: ExportDeps, { spec }: Export): readonly string[] {
  const addresses = (spec.clients ?? []).flatMap(({ hostName, cidr }) => {
    if (cidr !== undefined) return [cidr];
    const address = hosts.get({ namespace: "", name: hostName ?? "" })?.spec.address;
    return address === undefined ? [] : [address];
  });
  return [...new Set(addresses)].sort();
}

function serving(deps: ExportDeps, desired: DesiredExport, observed: ObservedServer): Report<Export> {
  const sessions = observed.sessions.filter(({ key }) => key === desired.key);
  const hostOf = (address: string) => deps.hosts.list().find(({ spec }) => spec.address === address)?.metadata.name;
  const connectedClients = sessions.map(({ address, port, sinceSeconds }) => {
    const hostName = hostOf(address);
    return {
      address: `${address}:${port}`,
      ...(hostName === undefined ? {} : { hostName }),
      since: formatTime(new Date(sinceSeconds * 1000)),
    };
  });
  const fields: Fields = {
    address: deps.address,
    port: NBD_PORT,
    target: desired.exportName,
    connectedClients,
  };
  return {
    fields,
    conditions: [ready("True", "Serving", `${deps.hostName} offers ${desired.device}`)],
    next: requeueAfter(OBSERVE_AGAIN_MS, "read the clients again"),
  };
}
