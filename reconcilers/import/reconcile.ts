import type { Lister } from "../../crds/admission/types.ts";
import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Export } from "../../crds/generated/export.ts";
import type { Host } from "../../crds/generated/host.ts";
import type { Import } from "../../crds/generated/import.ts";
import { CommandError } from "../../executors/command/errors.ts";
import type { Executor } from "../../executors/command/types.ts";
import {
  attachCommand,
  type DesiredImport,
  detachStep,
  IN_USE_EXIT_CODE,
  linkPath,
  observeDevices,
  planLink,
} from "../../executors/nbd/device.ts";
import type { DeviceReport, NbdDevice } from "../../executors/nbd/report.ts";
import { NBD_PORT } from "../../executors/nbd/server.ts";
import { parseDuration } from "../../machinery/duration.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile, type ReconcileContext, requeueAfter } from "../../machinery/result.ts";
import { type DeviceSources, sourceDevice } from "../block-source.ts";
import { exportNameOf } from "../export/names.ts";
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
}

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
  const observed = await observeDevices(deps.exec, context.signal);
  const device = observed.devices.find(({ backend }) => isDeviceOf(imported, backend));
  if (exported === undefined)
    return waiting("ExportMissing", `Export ${imported.spec.exportRef.name} is not there`, last(imported));
  const refused = refusal(imported, exported, deps.imports.list(), deps.lister);
  // What is in use is not torn away: it is only not attached anew.
  if (refused !== undefined && device === undefined) return waiting(refused.reason, refused.message);
  if (device !== undefined && device.backend !== backendOf(imported, exported))
    return replaced(deps, context, imported, device);
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
  imported: Import,
  device: NbdDevice,
): Promise<Report<Import>> {
  try {
    const plan = { kind: "steps" as const, steps: [detachStep(device)] };
    await applyPlan(plan, { access: deps.imports, object: imported, exec: deps.exec, context });
  } catch (error) {
    if (!(error instanceof CommandError) || error.output.exitCode !== IN_USE_EXIT_CODE) throw error;
    const message = `Export ${imported.spec.exportRef.name} was made anew while /dev/nbd${device.index} is in use: unmount it`;
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
  readonly device: NbdDevice;
  readonly observed: DeviceReport;
}

async function attached(
  deps: ImportDeps,
  context: ReconcileContext,
  { imported, exported, device, observed }: Attached,
): Promise<Report<Import>> {
  const name = deviceNameOf(imported, exported);
  const parts = { access: deps.imports, object: imported, exec: deps.exec, context };
  const result = await applyPlan(planLink(name, `/dev/nbd${device.index}`, observed), parts);
  if (result === "changed") return progressing(`${linkPath(name)} was linked`);
  const { address = "", port = 0 } = device.server ?? {};
  const message = `${linkPath(name)} is served by ${exported.status?.hostName ?? "?"} (${address}:${port})`;
  return {
    fields: {
      devicePath: linkPath(name),
      kernelDevice: `/dev/nbd${device.index}`,
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
  readonly device: NbdDevice | undefined;
  readonly server: string | undefined;
}

async function attach(
  deps: ImportDeps,
  context: ReconcileContext,
  { imported, exported, device, server }: Attaching,
): Promise<Report<Import>> {
  const address = server === undefined ? undefined : deps.hosts.get({ namespace: "", name: server })?.spec.address;
  if (address === undefined)
    return disconnected(imported, device, `Export ${exported.metadata.name} has no host now: see its conditions`);
  const desired: DesiredImport = {
    backend: backendOf(imported, exported),
    exportName: exportNameOf(exported),
    server: { address, port: exported.status?.port ?? NBD_PORT },
    readOnly: !isWritable(imported, exported),
    waitSeconds: Math.max(1, Math.round(parseDuration(imported.spec.reconnectTimeout) / 1000)),
    sourceAddress: deps.address,
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

function disconnected(imported: Import, device: NbdDevice | undefined, why: string): Report<Import> {
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
