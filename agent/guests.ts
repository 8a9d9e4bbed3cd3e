import type { RestClient } from "../client/rest.ts";
import type { Manager } from "../controllers/manager.ts";
import { objectAccess } from "../controllers/object-access.ts";
import { objectReader } from "../controllers/object-maker.ts";
import { apiRunStore } from "../controllers/run-store.ts";
import { objects, requestFor } from "../controllers/source.ts";
import type { HostGuest } from "../crds/generated/host.ts";
import { IMPORTS } from "../crds/generated/import.ts";
import { MIRROR_REPLICAS } from "../crds/generated/mirror-replica.ts";
import { VIRTUAL_MACHINES } from "../crds/generated/virtual-machine.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import type { Executor } from "../executors/command/types.ts";
import type { GuestState, Hypervisor, Instance } from "../executors/vm/guest.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { Logger } from "../machinery/log.ts";
import type { Request } from "../machinery/result.ts";
import type { BlockSource } from "../reconcilers/block-source.ts";
import type { VirtualMachineDeps } from "../reconcilers/virtual-machine/deps.ts";
import { virtualMachineReconciler } from "../reconcilers/virtual-machine/reconcile.ts";

export interface GuestsOptions {
  readonly hostName: string;
  readonly exec: Executor;
  readonly clock: Clock;
  readonly log: Logger;
  readonly client: RestClient;
  readonly events: EventRecorder;
  readonly fieldManager: string;
  readonly hypervisors: VirtualMachineDeps["hypervisors"];
}

export interface Guests {
  /** Watches over all guests of the machine until the signal fires. */
  watch(signal: AbortSignal): Promise<void>;
  /** What really runs here, strangers too. */
  readonly report: (signal: AbortSignal) => Promise<readonly HostGuest[]>;
}

/** How soon a guest that nobody announced is seen, and one that ended unheard. */
const SWEEP_MS = 5_000;

/** The guests of this host. All VirtualMachines are looked at: one that another host runs may still have a guest here. */
export function addGuestController(manager: Manager, options: GuestsOptions): Guests {
  const { hostName, exec, client, clock, log } = options;
  const cache = manager.cache(VIRTUAL_MACHINES);
  const vms = objectAccess({ ...options, type: VIRTUAL_MACHINES, cache });
  const using = (namespace: string, refers: (source: BlockSource) => boolean): readonly Request[] =>
    vms
      .list()
      .filter(
        ({ metadata, spec }) =>
          metadata.namespace === namespace && (spec.disks ?? []).some(({ source }) => refers(source)),
      )
      .map(requestFor);
  const mine = { fieldSelector: `spec.hostName=${hostName}` };
  const wake = manager.add({
    name: "virtual-machine",
    concurrency: 4,
    sources: [
      objects(VIRTUAL_MACHINES),
      objects(VOLUMES, ({ metadata }) =>
        using(metadata.namespace, ({ volumeRef }) => volumeRef?.name === metadata.name),
      ),
      objects(IMPORTS, ({ metadata }) =>
        using(metadata.namespace, ({ importRef }) => importRef?.name === metadata.name),
      ),
      objects(
        MIRROR_REPLICAS,
        ({ metadata, spec }) => using(metadata.namespace, ({ mirrorRef }) => mirrorRef?.name === spec.mirrorRef.name),
        mine,
      ),
    ],
    reconcile: virtualMachineReconciler({
      hostName,
      exec,
      vms,
      runs: apiRunStore(client),
      hypervisors: options.hypervisors,
      volumes: objectReader(manager.cache(VOLUMES)),
      imports: objectReader(manager.cache(IMPORTS)),
      replicas: objectReader(manager.cache(MIRROR_REPLICAS, mine)),
    }),
  });
  const wakeInstance = ({ uid, name }: Instance) => {
    for (const vm of vms.list())
      if (vm.metadata.uid === uid || vm.spec.adopt?.domainName === name) wake(requestFor(vm));
  };
  const hypervisors = Object.values(options.hypervisors);
  return {
    async watch(signal) {
      await Promise.all(hypervisors.map((each) => sweep(each, wakeInstance, { clock, log }, signal)));
    },
    report: (signal) => reportGuests(hypervisors, vms.list(), signal),
  };
}

/** Finds guests and follows each; `wake` whenever one appeared, changed or went. */
async function sweep(
  hypervisor: Hypervisor,
  wake: (instance: Instance) => void,
  { clock, log }: Pick<GuestsOptions, "clock" | "log">,
  signal: AbortSignal,
): Promise<void> {
  let known = new Map<string, Instance>();
  while (!signal.aborted) {
    try {
      const now = new Map((await hypervisor.list(signal)).map((instance) => [instance.id, instance]));
      for (const gone of known.values()) if (!now.has(gone.id)) wake(gone);
      for (const instance of now.values()) {
        if (known.has(instance.id)) continue;
        wake(instance);
        void follow(hypervisor, instance, wake, log, signal);
      }
      known = now;
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, "could not look for guests");
    }
    await sleep(clock, SWEEP_MS, signal).catch(() => undefined); // only the signal rejects
  }
}

async function follow(
  hypervisor: Hypervisor,
  instance: Instance,
  wake: (instance: Instance) => void,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const event of hypervisor.follow(instance, signal)) {
      log.debug({ event, guest: instance.name }, "event of a guest");
      wake(instance);
    }
  } catch (err) {
    if (!signal.aborted) log.debug({ err, guest: instance.name }, "no longer hears of a guest");
  }
  wake(instance);
}

const STATE_NAMES: Readonly<Record<GuestState, string>> = {
  prepared: "Paused",
  running: "Running",
  paused: "Paused",
  ioError: "Paused",
  shuttingDown: "ShuttingDown",
  crashed: "Crashed",
  dying: "ShuttingDown",
  unknown: "Unknown",
};

async function reportGuests(
  hypervisors: readonly Hypervisor[],
  vms: readonly { readonly metadata: { readonly uid?: string; readonly namespace: string; readonly name: string } }[],
  signal: AbortSignal,
): Promise<readonly HostGuest[]> {
  const found: HostGuest[] = [];
  for (const hypervisor of hypervisors)
    for (const instance of await hypervisor.list(signal)) {
      const vm = vms.find(({ metadata }) => metadata.uid === instance.uid);
      // A stranger's monitor is its owner's: that its process is there is all that is told of it.
      const state = vm === undefined ? "running" : (await hypervisor.inspect(instance, signal)).state;
      found.push({
        uid: instance.uid ?? instance.id,
        name: vm?.metadata.name ?? instance.name ?? instance.id,
        state: STATE_NAMES[state],
        ...(vm === undefined ? {} : { namespace: vm.metadata.namespace }),
      });
    }
  return found;
}
