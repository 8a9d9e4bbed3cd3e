import { isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import type { Manager } from "../controllers/manager.ts";
import { objectAccess } from "../controllers/object-access.ts";
import { objectReader } from "../controllers/object-maker.ts";
import { objects, requestFor } from "../controllers/source.ts";
import type { Lister } from "../crds/admission/types.ts";
import { EXPORTS } from "../crds/generated/export.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { IMPORTS } from "../crds/generated/import.ts";
import { MIRROR_REPLICAS } from "../crds/generated/mirror-replica.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { Command, Executor, Follow } from "../executors/command/types.ts";
import { WATCH_DEVICES } from "../executors/nbd/device.ts";
import { WATCH_SESSIONS } from "../executors/nbd/server.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { Logger } from "../machinery/log.ts";
import type { Request } from "../machinery/result.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { exportReconciler } from "../reconcilers/export/reconcile.ts";
import { importReconciler } from "../reconcilers/import/reconcile.ts";
import type { Reconciled } from "../reconcilers/object-access.ts";

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
      objects(EXPORTS),
      objects(HOSTS, here),
      objects(VOLUMES, ({ metadata }) =>
        exportsOf(metadata.namespace, ({ volumeRef }) => volumeRef?.name === metadata.name),
      ),
      objects(
        MIRROR_REPLICAS,
        ({ metadata, spec }) =>
          exportsOf(metadata.namespace, ({ mirrorRef }) => mirrorRef?.name === spec.mirrorRef.name),
        mine,
      ),
      // A client that came or went is soon told.
      objects(IMPORTS, ({ metadata, spec }) => [{ namespace: metadata.namespace, name: spec.exportRef.name }]),
    ],
    reconcile: exportReconciler({
      ...base,
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
      objects(IMPORTS, importsHere),
      objects(EXPORTS, ({ metadata }) =>
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
  return async (signal) => {
    await Promise.all([
      watch(WATCH_DEVICES, () => importsHere().forEach(wakeImport), options, signal),
      watch(WATCH_SESSIONS, () => here().forEach(wakeExport), options, signal),
    ]);
  };
}

const RESTART_MS = 1000;

/** Calls `changed` for each line that a program prints, and after each time that it could not be heard. */
async function watch(
  argv: Command["argv"],
  changed: () => void,
  { follow, clock, log }: Pick<ExportsOptions, "follow" | "clock" | "log">,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const line of follow(argv, signal)) {
        log.debug({ line }, "event of NBD");
        changed();
      }
    } catch (err) {
      if (!signal.aborted) log.debug({ err }, "lost the events of NBD");
    }
    await sleep(clock, RESTART_MS, signal).catch(() => undefined); // only the signal rejects
    changed();
  }
}
