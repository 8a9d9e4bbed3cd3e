import type { Lister } from "../../crds/admission/types.ts";
import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Export } from "../../crds/generated/export.ts";
import type { Host } from "../../crds/generated/host.ts";
import type { Import } from "../../crds/generated/import.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { ExportSecret } from "../../executors/export-server.ts";
import type { Executor } from "../../executors/command/types.ts";
import {
  attachCommand,
  type DesiredImport,
  detachStep,
  IN_USE_EXIT_CODE,
  linkPath,
  observeDevices,
  planLink,
} from "../../executors/import-device.ts";
import type { DeviceReport, ImportedDevice } from "../../executors/import-report.ts";
import { ISCSI_PORT } from "../../executors/iscsi/target.ts";
import { NBD_PORT } from "../../executors/nbd/server.ts";
import { NVME_PORT } from "../../executors/nvmet/target.ts";
import { parseDuration } from "../../machinery/duration.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, type ReconcileContext, requeueAfter } from "../../machinery/result.ts";
import { type DeviceSources, sourceDevice } from "../block-source.ts";
import { hostNqn, initiatorName, targetOf } from "../export/names.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { applyPlan, type ConditionFact, ready, type Report, runPass, waiting } from "../pass.ts";
import { finalizeImport } from "./finalize.ts";
import { backendOf, deviceNameOf, isDeviceOf } from "./names.ts";
import { isWritable, refusal } from "./refusal.ts";

export interface ImportDeps extends DeviceSources {
  /** Address of this host: where its connections come from. */
  readonly address: string;
  readonly exec: Executor;
  readonly imports: ObjectAccess<Import>;
  readonly exports: ObjectReader<Export>;
  readonly hosts: ObjectReader<Host>;
  readonly lister: Lister;
  /** One key of a Secret; `undefined`: the Secret or the key is not there. */
  secret(namespace: string, name: string, key: string): Promise<string | undefined>;
}

/** Where an export is until its status says it. */
const PORTS: Readonly<Record<Export["spec"]["protocol"], number>> = {
  NBD: NBD_PORT,
  ISCSI: ISCSI_PORT,
  NVMeTCP: NVME_PORT,
};

/** While the server is away it is asked so often: the pause of whoever waits for the device is little longer. */
const RECONNECT_MS = 500;
/** The kernel tells of lost connections; this finds what it did not. */
const OBSERVE_AGAIN_MS = 15_000;

/** Attaches an Export on this host as /dev/gnbd/NAME, and gives it a new connection whenever it has lost its server. */
export function importReconciler(deps: ImportDeps): Reconcile {
  return async (context, request) => {
    const imported = deps.imports.get(request);
    if (imported?.spec.hostName !== deps.hostName) return done;
    if (imported.metadata.deletionTimestamp !== undefined) return finalizeImport(deps, context, imported);
    if (!imported.metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
      await deps.imports.addFinalizer(imported, CLEANUP_FINALIZER);
      return done; // the write comes back as a change
    }
    return runPass(context, deps.imports, imported, () => onePass(deps, context, imported));
  };
}

async function onePass(deps: ImportDeps, context: ReconcileContext, imported: Import): Promise<Report<Import>> {
  const { namespace } = imported.metadata;
  const exported = deps.exports.get({ namespace, name: imported.spec.exportRef.name });
  if (exported === undefined)
    return waiting("ExportMissing", `Export ${imported.spec.exportRef.name} is not there`, last(imported));
  const observed = await observeDevices(exported.spec.protocol, deps.exec, context.signal);
  const device = observed.devices.find(({ backend }) => isDeviceOf(imported, backend));
  const refused = refusal(imported, exported, deps.imports.list(), deps.lister);
  // What is in use is not torn away: it is only not attached anew.
  if (refused !== undefined && device === undefined) return waiting(refused.reason, refused.message);
  if (device !== undefined && device.backend !== backendOf(imported, exported))
    return replaced(deps, context, { imported, exported, device });
  const server = exported.status?.hostName;
  if (server === deps.hostName && device === undefined) return local(deps, context, imported, exported, observed);
  if (device?.connected === true) return attached(deps, context, { imported, exported, device, observed });
  return attach(deps, context, { imported, exported, device, server });
}

/** The facts of the last pass, while nothing newer is known. */
function last({ status }: Import): NonNullable<Report<Import>["fields"]> {
  const { conditions: _, observedGeneration: __, ...fields } = status ?? {};
  return fields;
}

/** The export was deleted and made anew: the old device goes when nobody holds it. */
async function replaced(
  deps: ImportDeps,
  context: ReconcileContext,
  { imported, exported, device }: Omit<Attached, "observed">,
): Promise<Report<Import>> {
  try {
    const plan = { kind: "steps" as const, steps: [detachStep(exported.spec.protocol, device)] };
    await applyPlan(plan, { access: deps.imports, object: imported, exec: deps.exec, context });
  } catch (error) {
    if (!(error instanceof CommandError) || error.output.exitCode !== IN_USE_EXIT_CODE) throw error;
    const message = `Export ${imported.spec.exportRef.name} was made anew while ${device.path} is in use: unmount it`;
    return waiting("ExportReplaced", message, last(imported));
  }
  return progressing("the old device is gone");
}

/** On the host that serves it the local device is used: importing from oneself deadlocks when memory is short. */
async function local(
  deps: ImportDeps,
  context: ReconcileContext,
  imported: Import,
  exported: Export,
  observed: DeviceReport,
): Promise<Report<Import>> {
  const source = sourceDevice(imported.metadata.namespace, exported.spec, deps);
  if (!("device" in source)) return waiting(source.reason, source.message, last(imported));
  const name = deviceNameOf(imported, exported);
  const result = await applyPlan(planLink(name, source.device, observed), {
    access: deps.imports,
    object: imported,
    exec: deps.exec,
    context,
  });
  if (result === "changed") return progressing(`${linkPath(name)} was linked to the local device`);
  const message = `${deps.hostName} serves the export itself: ${linkPath(name)} is the local device`;
  return {
    fields: { devicePath: linkPath(name), kernelDevice: source.device },
    conditions: [ready("True", "LocalDevice", message), connection("True", "LocalDevice", message)],
  };
}

interface Attached {
  readonly imported: Import;
  readonly exported: Export;
  readonly device: ImportedDevice;
  readonly observed: DeviceReport;
}

async function attached(
  deps: ImportDeps,
  context: ReconcileContext,
  { imported, exported, device, observed }: Attached,
): Promise<Report<Import>> {
  const name = deviceNameOf(imported, exported);
  const parts = { access: deps.imports, object: imported, exec: deps.exec, context };
  const result = await applyPlan(planLink(name, device.path, observed), parts);
  if (result === "changed") return progressing(`${linkPath(name)} was linked`);
  const { address = "", port = 0 } = device.server ?? {};
  const message = `${linkPath(name)} is served by ${exported.status?.hostName ?? "?"} (${address}:${port})`;
  return {
    fields: {
      devicePath: linkPath(name),
      kernelDevice: device.path,
      connectedTo: `${address}:${port}`,
      capacity: formatBytes(device.sizeBytes),
    },
    conditions: [ready("True", "Attached", message), connection("True", "Connected", message)],
    next: requeueAfter(OBSERVE_AGAIN_MS, "look at the connection again"),
  };
}

interface Attaching {
  readonly imported: Import;
  readonly exported: Export;
  readonly device: ImportedDevice | undefined;
  readonly server: string | undefined;
}

async function attach(
  deps: ImportDeps,
  context: ReconcileContext,
  { imported, exported, device, server }: Attaching,
): Promise<Report<Import>> {
  const address = server === undefined ? undefined : deps.hosts.get({ namespace: "", name: server })?.spec.address;
  if (address === undefined || server === undefined)
    return disconnected(imported, device, `Export ${exported.metadata.name} has no host now: see its conditions`);
  const { protocol } = exported.spec;
  const secret = await secretOf(deps, exported);
  if (secret.kind === "missing") return waiting("SecretMissing", secret.message, last(imported));
  const desired: DesiredImport = {
    protocol,
    backend: backendOf(imported, exported),
    target: targetOf(exported),
    server: { address, port: exported.status?.port ?? PORTS[protocol] },
    readOnly: !isWritable(imported, exported),
    waitSeconds: Math.max(1, Math.round(parseDuration(imported.spec.reconnectTimeout) / 1000)),
    sourceAddress: deps.address,
    clientName: clientName(deps, protocol),
    ...(secret.kind === "none" ? {} : { secret: secret.secret }),
  };
  try {
    await deps.exec.run(attachCommand(desired, device), context.signal);
  } catch (error) {
    // The server's absence is what imports are made for: no error of the loop with its growing back-off.
    if (!(error instanceof CommandError)) throw error;
    return disconnected(imported, device, error.output.stderr.trim() || error.message);
  }
  const verb = device === undefined ? "connected" : "connected again";
  deps.imports.event(imported, "Normal", "Changed", `${verb} to ${server} (${address})`);
  return progressing(`${verb} to ${server}`);
}

/** By what name the server knows this host. */
function clientName({ hostName, hosts }: ImportDeps, protocol: Export["spec"]["protocol"]): string {
  if (protocol !== "NVMeTCP") return initiatorName(hostName);
  return hostNqn(hosts.get({ namespace: "", name: hostName })) ?? "";
}

type FoundSecret =
  | { readonly kind: "none" }
  | { readonly kind: "found"; readonly secret: ExportSecret }
  | { readonly kind: "missing"; readonly message: string };

async function secretOf(deps: ImportDeps, { metadata, spec }: Export): Promise<FoundSecret> {
  if (spec.chapSecretRef === undefined) return { kind: "none" };
  const { name } = spec.chapSecretRef;
  const username = await deps.secret(metadata.namespace, name, "username");
  const password = await deps.secret(metadata.namespace, name, "password");
  if (username !== undefined && password !== undefined) return { kind: "found", secret: { username, password } };
  return { kind: "missing", message: `Secret ${name} with the keys username and password is not there` };
}

function disconnected(imported: Import, device: ImportedDevice | undefined, why: string): Report<Import> {
  const waits = device === undefined ? "" : `; I/O waits, for ${imported.spec.reconnectTimeout} at most`;
  const reason = device === undefined ? "CannotConnect" : "Reconnecting";
  return {
    ...(device === undefined ? {} : { fields: last(imported) }),
    conditions: [ready("False", reason, `${why}${waits}`), connection("False", reason, why)],
    next: requeueAfter(RECONNECT_MS, reason),
  };
}

const connection = (status: ConditionFact["status"], reason: string, message: string): ConditionFact => ({
  ...ready(status, reason, message),
  type: "Connected",
});

const progressing = (message: string): Report<Import> => ({
  conditions: [ready("False", "Progressing", message)],
  next: requeueAfter(0, "see what was changed"),
});
