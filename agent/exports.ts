import { isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import type { Manager } from "../controllers/manager.ts";
import type { ServedDevices } from "../reconcilers/served-devices.ts";
import { objectAccess } from "../controllers/object-access.ts";
import { objectReader } from "../controllers/object-maker.ts";
import { changesOf, requestFor, wanted } from "../controllers/source.ts";
import type { Lister } from "../crds/admission/types.ts";
import { EXPORTS } from "../crds/generated/export.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { IMPORTS } from "../crds/generated/import.ts";
import { MIRROR_REPLICAS } from "../crds/generated/mirror-replica.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { Command, Executor, Follow } from "../executors/command/types.ts";
import type { ExportProtocol } from "../executors/export-server.ts";
import { watchDevices } from "../executors/import-device.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import { findCondition } from "../machinery/conditions.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { Logger } from "../machinery/log.ts";
import type { Request } from "../machinery/result.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { EXPORT_SERVERS, exportReconciler } from "../reconcilers/export/reconcile.ts";
import { importReconciler } from "../reconcilers/import/reconcile.ts";
import type { Reconciled } from "../reconcilers/object-access.ts";
import { secretReader } from "./secrets.ts";

export interface ExportsOptions {
  readonly hostName: string;
  /** Address of this host for exports and imports. */
  readonly address: string;
  readonly exec: Executor;
  readonly follow: Follow;
  readonly clock: Clock;
  readonly log: Logger;
  readonly client: RestClient;
  readonly events: EventRecorder;
  readonly fieldManager: string;
  readonly served: ServedDevices;
  /** A device is no longer served: what waits for it may look again. */
  readonly released: () => void;
}

/** What this host serves and imports. Returns the watch over lost connections, to be run until `signal` fires. */
export function addExportControllers(
  manager: Manager,
  options: ExportsOptions,
): (signal: AbortSignal) => Promise<void> {
  const { hostName, address, exec, client } = options;
  const access = <T extends Reconciled>(type: ResourceType<T>) =>
    objectAccess({ ...options, type, cache: manager.cache(type) });
  const mine = { fieldSelector: `spec.hostName=${hostName}` };
  const exports = access(EXPORTS);
  const imports = access(IMPORTS);
  const base = {
    hostName,
    address,
    exec,
    exports,
    imports,
    volumes: objectReader(manager.cache(VOLUMES)),
    replicas: objectReader(manager.cache(MIRROR_REPLICAS, mine)),
    hosts: objectReader(manager.cache(HOSTS)),
    secret: secretReader(client),
  };
  for (const type of [MIRRORS, VOLUME_GROUPS]) manager.cache<never>(type as ResourceType<never>);
  const lister: Lister = { list: (type) => manager.cache(type as ResourceType<never>).list() };
  const exportsOf = (namespace: string, refers: (spec: ReturnType<typeof exports.list>[number]["spec"]) => boolean) =>
    exports
      .list()
      .filter(({ metadata, spec }) => metadata.namespace === namespace && refers(spec))
      .map(requestFor);
  const here = (): Request[] =>
    exports
      .list()
      .filter(({ status }) => status?.hostName === hostName)
      .map(requestFor);
  const wakeExport = manager.add({
    name: "export",
    concurrency: 1,
    sources: [
      changesOf(EXPORTS, (exported) => [wanted(exported), exported.status?.hostName]),
      changesOf(HOSTS, ({ spec }) => spec.address, here),
      changesOf(
        VOLUMES,
        ({ status }) => [status?.hostName, status?.devicePath, status?.capacity],
        ({ metadata }) => exportsOf(metadata.namespace, ({ volumeRef }) => volumeRef?.name === metadata.name),
      ),
      changesOf(
        MIRROR_REPLICAS,
        (replica) => [wanted(replica), replica.status?.role, replica.status?.devicePath],
        ({ metadata, spec }) =>
          exportsOf(metadata.namespace, ({ mirrorRef }) => mirrorRef?.name === spec.mirrorRef.name),
        mine,
      ),
      // A client that came or went is soon told; who may write is on the list of those who are let in.
      changesOf(
        IMPORTS,
        (imported) => [wanted(imported), imported.status?.devicePath, imported.status?.connectedTo],
        ({ metadata, spec }) => [
          { namespace: metadata.namespace, name: spec.exportRef.name },
          ...exportsOf(metadata.namespace, ({ importRef }) => importRef?.name === metadata.name).filter(
            ({ name }) => name !== spec.exportRef.name,
          ),
        ],
      ),
    ],
    reconcile: exportReconciler({
      ...base,
      served: options.served,
      released: options.released,
      async readExport({ namespace, name }, signal) {
        try {
          return await client.get(EXPORTS, { namespace, name }, signal);
        } catch (error) {
          if (isNotFound(error)) return undefined;
          throw error;
        }
      },
    }),
  });
  const importsHere = (): Request[] =>
    imports
      .list()
      .filter(({ spec }) => spec.hostName === hostName)
      .map(requestFor);
  const wakeImport = manager.add({
    name: "import",
    concurrency: 4,
    sources: [
      changesOf(IMPORTS, (imported) => [wanted(imported), imported.status?.devicePath], importsHere),
      changesOf(
        EXPORTS,
        ({ spec, status }) => [
          spec,
          status?.hostName,
          status?.port,
          findCondition(status?.conditions, "Ready")?.status,
        ],
        ({ metadata }) =>
          imports
            .list()
            .filter(
              (each) => each.metadata.namespace === metadata.namespace && each.spec.exportRef.name === metadata.name,
            )
            .map(requestFor),
      ),
    ],
    reconcile: importReconciler({ ...base, lister }),
  });
  const protocolsOf = (requests: readonly Request[], exportOf: (request: Request) => Request | undefined) =>
    new Set(requests.flatMap((each) => exports.get(exportOf(each) ?? each)?.spec.protocol ?? []));
  const importedExport = (request: Request): Request | undefined => {
    const imported = imports.get(request);
    return imported && { namespace: request.namespace, name: imported.spec.exportRef.name };
  };
  const watches = (Object.keys(EXPORT_SERVERS) as ExportProtocol[]).flatMap((protocol): Watched[] => [
    {
      argv: watchDevices(protocol),
      isNeeded: () => protocolsOf(importsHere(), importedExport).has(protocol),
      changed: () => importsHere().forEach(wakeImport),
    },
    {
      argv: EXPORT_SERVERS[protocol].watch,
      isNeeded: () => protocolsOf(here(), (request) => request).has(protocol),
      changed: () => here().forEach(wakeExport),
    },
  ]);
  return async (signal) => {
    await Promise.all(watches.map((each) => watch(each, options, signal)));
  };
}

const RESTART_MS = 1000;

/** A program that tells of changes, for as long as there is something to tell of. */
interface Watched {
  readonly argv: Command["argv"];
  readonly isNeeded: () => boolean;
  readonly changed: () => void;
}

/** Calls `changed` for each line that the program prints, and after each time that it could not be heard. */
async function watch(
  { argv, isNeeded, changed }: Watched,
  { follow, clock, log }: Pick<ExportsOptions, "follow" | "clock" | "log">,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    if (isNeeded()) {
      try {
        for await (const line of follow(argv, signal)) {
          log.debug({ line }, "event of an export or import");
          changed();
        }
      } catch (err) {
        if (!signal.aborted) log.debug({ err }, "lost the events of exports and imports");
      }
      changed();
    }
    await sleep(clock, RESTART_MS, signal).catch(() => undefined); // only the signal rejects
  }
}
