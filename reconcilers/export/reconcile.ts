import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Export, ExportStatus } from "../../crds/generated/export.ts";
import type { Host } from "../../crds/generated/host.ts";
import { onDiskName } from "../../crds/on-disk-name.ts";
import type { Executor } from "../../executors/command/types.ts";
import type { DesiredExport, ExportProtocol, ExportServer, ObservedExport } from "../../executors/export-server.ts";
import { iscsiServer } from "../../executors/iscsi/target.ts";
import { nbdServer } from "../../executors/nbd/server.ts";
import { nvmeServer } from "../../executors/nvmet/target.ts";
import { apply, type Plan } from "../../executors/driver.ts";
import { formatTime } from "../../machinery/clock.ts";
import { done, type Reconcile, type ReconcileContext, type Request, requeueAfter } from "../../machinery/result.ts";
import { type DeviceSources, type Missing, sourceDevice } from "../block-source.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { applyPlan, BLOCKED_RETRY_MS, ready, type Report, runPass } from "../pass.ts";
import type { ServedDevices } from "../served-devices.ts";
import { allowedClients } from "./clients.ts";
import { exportKey, protocolProblem, targetOf } from "./names.ts";

export const EXPORT_SERVERS: Readonly<Record<ExportProtocol, ExportServer>> = {
  NBD: nbdServer,
  ISCSI: iscsiServer,
  NVMeTCP: nvmeServer,
};
const PROTOCOLS = Object.keys(EXPORT_SERVERS) as readonly ExportProtocol[];

export interface ExportDeps extends DeviceSources {
  /** Address of this host: what its servers listen on. */
  readonly address: string;
  readonly exec: Executor;
  readonly exports: ObjectAccess<Export>;
  readonly hosts: ObjectReader<Host>;
  readonly served: ServedDevices;
  /** A device was let go: somebody may wait to demote or remove it. */
  readonly released: () => void;
  /** The object as the store has it now, by quorum; `undefined`: it is gone. Throws when the API does not answer. */
  readExport(request: Request, signal: AbortSignal): Promise<Export | undefined>;
  /** One key of a Secret; `undefined`: the Secret or the key is not there. */
  secret(namespace: string, name: string, key: string): Promise<string | undefined>;
}

/** How often the list of clients is read again, which lets new writers come, and who is connected is looked at. */
const OBSERVE_AGAIN_MS = 15_000;

type Fields = Omit<ExportStatus, "conditions" | "observedGeneration" | "hostName">;

/** Serves an Export while its source is usable on this host; wherever it is not, nothing of it is left. */
export function exportReconciler(deps: ExportDeps): Reconcile {
  // Of exports that others serve: what was seen to be gone comes back only by our own hand.
  const gone = new Set<string>();
  return async (context, request) => {
    const exported = deps.exports.get(request);
    const key = onDiskName(request.namespace, request.name);
    if (exported?.status?.hostName !== deps.hostName) {
      if (gone.has(key)) return done;
      for (const protocol of exported === undefined ? PROTOCOLS : [exported.spec.protocol])
        await withdrawHere(deps, context, protocol, key);
      gone.add(key);
      return done;
    }
    gone.delete(key);
    if (exported.metadata.deletionTimestamp !== undefined) {
      if (!exported.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
      await withdrawHere(deps, context, exported.spec.protocol, key);
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
  { exec, served, released }: ExportDeps,
  { signal, log }: ReconcileContext,
  protocol: ExportProtocol,
  key: string,
): Promise<void> {
  for (;;) {
    const plan = (await EXPORT_SERVERS[protocol].observe(key, exec, signal)).planWithdrawal();
    if (plan.kind === "blocked") return;
    if (plan.steps.length === 0) {
      served.release(key);
      return;
    }
    log.info({ steps: plan.steps.map(({ why }) => why) }, "withdrawing an export");
    await apply(plan, exec, signal);
    served.release(key);
    released();
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
  const server = EXPORT_SERVERS[cached.spec.protocol];
  const unsupported = protocolProblem(cached);
  const source =
    unsupported === undefined
      ? sourceDevice(request.namespace, cached.spec, deps)
      : { reason: "ProtocolNotSupported", message: unsupported };
  if (!("device" in source)) {
    // First of all: somebody may wait for the device to be let go.
    await withdrawHere(deps, context, cached.spec.protocol, key);
    return notReady(source.reason, source.message);
  }
  const before = await server.observe(key, exec, context.signal);
  const current = await deps.readExport(request, context.signal);
  if (current?.status?.hostName !== deps.hostName || current.metadata.uid !== cached.metadata.uid)
    return notReady("Moving", `the store no longer names ${deps.hostName} as the host`);
  const desired = await desiredExport(deps, current, source.device);
  if ("reason" in desired) return notReady(desired.reason, desired.message);
  deps.served.serve(key, source.device);
  await before.permit(exec, context.signal);
  const parts = { access: deps.exports, object: cached, exec, context };
  const result = await applyPlan(before.plan(desired), parts);
  if (result === "nothing to do") return serving(deps, desired, before);
  if (result !== "changed") return notReady(result.reason, result.message);
  const after = await server.observe(key, exec, context.signal);
  if (isDone(after.plan(desired))) return serving(deps, desired, after);
  return { ...notReady("Progressing", "the server is being set up"), next: requeueAfter(0, "see what was changed") };
}

async function desiredExport(deps: ExportDeps, exported: Export, device: string): Promise<DesiredExport | Missing> {
  const { metadata, spec } = exported;
  const base = {
    key: exportKey(exported),
    target: targetOf(exported),
    identity: metadata.uid ?? "",
    device,
    readOnly: spec.readOnly,
    clients: allowedClients(exported, deps.imports.list(), deps.hosts),
    listenAddress: deps.address,
    side: sideOf(deps, exported),
  };
  if (spec.chapSecretRef === undefined) return base;
  const { name } = spec.chapSecretRef;
  const username = await deps.secret(metadata.namespace, name, "username");
  const password = await deps.secret(metadata.namespace, name, "password");
  if (username === undefined || password === undefined)
    return { reason: "SecretMissing", message: `Secret ${name} with the keys username and password is not there` };
  return { ...base, secret: { username, password } };
}

/** Which of a mirror's two hosts this is, in the order of their names. */
function sideOf({ hostName, replicas }: ExportDeps, { metadata, spec }: Export): 0 | 1 {
  const here = replicas
    .list()
    .find(
      (each) =>
        each.metadata.namespace === metadata.namespace &&
        each.spec.mirrorRef.name === spec.mirrorRef?.name &&
        each.spec.hostName === hostName,
    );
  return here !== undefined && here.spec.peerHostName < hostName ? 1 : 0;
}

const isDone = (plan: Plan): boolean => plan.kind === "steps" && plan.steps.length === 0;

/** Nothing is offered: no address and no clients are told. */
const notReady = (reason: string, message: string): Report<Export> => ({
  fields: {},
  conditions: [ready("False", reason, message)],
  next: requeueAfter(BLOCKED_RETRY_MS, reason),
});

function serving(deps: ExportDeps, desired: DesiredExport, observed: ObservedExport): Report<Export> {
  const { port, clients } = observed.offer();
  const hostOf = (address: string) => deps.hosts.list().find(({ spec }) => spec.address === address)?.metadata.name;
  const connectedClients = clients.map((client) => {
    const hostName = hostOf(client.address);
    return {
      // LIO does not tell the port.
      address: client.port === 0 ? client.address : `${client.address}:${client.port}`,
      ...(hostName === undefined ? {} : { hostName }),
      ...(client.sinceSeconds === undefined ? {} : { since: formatTime(new Date(client.sinceSeconds * 1000)) }),
    };
  });
  const fields: Fields = { address: deps.address, port, target: desired.target, connectedClients };
  return {
    fields,
    conditions: [ready("True", "Serving", `${deps.hostName} offers ${desired.device}`)],
    next: requeueAfter(OBSERVE_AGAIN_MS, "read the clients again"),
  };
}
