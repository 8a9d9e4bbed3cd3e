import type { Transport } from "../client/transport.ts";
import { RestClient } from "../client/rest.ts";
import { ApiEventRecorder } from "../controllers/events.ts";
import { Manager } from "../controllers/manager.ts";
import { objectAccess } from "../controllers/object-access.ts";
import { objectReader } from "../controllers/object-maker.ts";
import { changesOf, changesOfParts, requestFor, wanted } from "../controllers/source.ts";
import { HOST_PAIRS } from "../crds/generated/host-pair.ts";
import { HOSTS } from "../crds/generated/host.ts";
import { MIRROR_REPLICAS, type MirrorReplica } from "../crds/generated/mirror-replica.ts";
import { MIRRORS } from "../crds/generated/mirror.ts";
import { VOLUME_GROUPS } from "../crds/generated/volume-group.ts";
import { VOLUMES } from "../crds/generated/volume.ts";
import { sharedLooks } from "../executors/command/shared.ts";
import type { Executor, Follow } from "../executors/command/types.ts";
import { observeKernel } from "../executors/drbd/observe.ts";
import { observeMachine } from "../executors/host/machine.ts";
import type { Clock } from "../machinery/clock.ts";
import { findCondition } from "../machinery/conditions.ts";
import type { Logger } from "../machinery/log.ts";
import { type Random, uuid } from "../machinery/random.ts";
import type { Request } from "../machinery/result.ts";
import { Arbiter } from "../reconcilers/host-pair/arbiter.ts";
import { resourceName } from "../reconcilers/mirror-replica/desired.ts";
import { LEFT } from "../reconcilers/volume-group/reconcile.ts";
import { ServedDevices } from "../reconcilers/served-devices.ts";
import { mirrorReplicaReconciler } from "../reconcilers/mirror-replica/reconcile.ts";
import { apiPairStore } from "./api-pair-store.ts";
import { drbdAnswers } from "./drbd-answers.ts";
import { type DrbdMailbox, isAsked } from "./drbd-mailbox.ts";
import { serveDrbdRequests } from "./drbd-requests.ts";
import { installHelper, watchDrbd } from "./drbd-watch.ts";
import { Heartbeat } from "./heartbeat.ts";
import { HostReporter } from "./host-status.ts";
import { keepIdentity } from "./identity.ts";
import { addExportControllers } from "./exports.ts";
import { addGuestController, type GuestsOptions } from "./guests.ts";
import { addLvmControllers } from "./lvm.ts";
import { loadLagMemory } from "./lag-memory.ts";
import { loadPairMemory } from "./pair-memory.ts";
import { secretReader } from "./secrets.ts";

export interface AgentOptions {
  readonly hostName: string;
  /** Where other hosts reach this one. */
  readonly address: string;
  readonly transport: Transport;
  readonly exec: Executor;
  readonly follow: Follow;
  /** Where the kernel's helper asks. */
  readonly mailbox: DrbdMailbox;
  /** What this machine can run guests with. */
  readonly hypervisors: GuestsOptions["hypervisors"];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What must outlive a reboot; 0700. */
  readonly stateDir: string;
  /** The program that the DRBD module calls. */
  readonly helperPath: string;
  readonly version: string;
  /** How long the host's Lease holds; renewed three times in it. */
  readonly leaseSeconds: number;
}

/** A device waits for it: looked at again within this time, however often it failed. */
const MIRROR_BACKOFF = { baseMs: 50, maxMs: 15_000 };

/** Runs the agent of one host until `signal` fires, then until its running passes have ended. */
export async function runAgent(given: AgentOptions, signal: AbortSignal): Promise<void> {
  const options = { ...given, exec: sharedLooks(given.exec) };
  const { hostName, transport, exec, clock, random, log, stateDir } = options;
  const client = new RestClient({ transport, clock, userAgent: `ferrite-agent/${options.version}` });
  const fieldManager = `ferrite-agent-${hostName}`;
  const { bootID } = await observeMachine(exec, signal);
  const memory = await loadPairMemory(`${stateDir}/pairs.json`, exec, signal);
  const lag = await loadLagMemory(stateDir, exec, signal);
  const arbiter = new Arbiter({ store: apiPairStore(client), me: { hostName, bootID }, memory, clock, random });
  const events = new ApiEventRecorder({ client, clock, random, log, component: "ferrite-agent", instance: hostName });
  const manager = new Manager({ client, clock, random, log });
  const served = new ServedDevices();

  const mine = { fieldSelector: `spec.hostName=${hostName}` };
  const replicas = objectAccess({
    type: MIRROR_REPLICAS,
    cache: manager.cache(MIRROR_REPLICAS, mine),
    client,
    events,
    fieldManager,
  });
  const mirrors = objectReader(manager.cache(MIRRORS));
  const ofMirror = (namespace: string, name: string): Request[] =>
    replicas
      .list()
      .filter(({ metadata, spec }) => metadata.namespace === namespace && spec.mirrorRef.name === name)
      .map(requestFor);
  const wakeReplica = manager.add({
    name: "mirror-replica",
    concurrency: 4,
    backoff: MIRROR_BACKOFF,
    sources: [
      // What this side noted in the store before it acts on it.
      changesOf(
        MIRROR_REPLICAS,
        (replica) => [wanted(replica), replica.status?.metadataMade, replica.status?.fileSystem],
        undefined,
        mine,
      ),
      changesOf(MIRRORS, wanted, ({ metadata }) => ofMirror(metadata.namespace, metadata.name)),
      // What the other side decided is what this one may wait for.
      changesOfParts(HOST_PAIRS, ({ spec, status }) =>
        (status?.mirrors ?? []).map((entry) => ({
          state: [entry, status?.incarnation, spec.trust],
          requests: ofMirror(entry.namespace, entry.name),
        })),
      ),
      changesOf(
        VOLUMES,
        ({ status }) => [status?.hostName, status?.devicePath, status?.capacity],
        ({ metadata }) =>
          replicas
            .list()
            .filter(
              (each) =>
                each.metadata.namespace === metadata.namespace && each.spec.backing.volumeRef?.name === metadata.name,
            )
            .map(requestFor),
      ),
      // What was open on the mirror's device is not any more.
      changesOf(
        VOLUME_GROUPS,
        ({ status }) => findCondition(status?.conditions, "Ready")?.reason === LEFT,
        ({ spec }) =>
          spec.physicalVolumes.flatMap(({ mirrorRef }) =>
            mirrorRef === undefined ? [] : ofMirror(mirrorRef.namespace, mirrorRef.name),
          ),
      ),
      changesOf(
        HOSTS,
        (host) => [wanted(host), host.status?.uname],
        () => replicas.list().map(requestFor),
      ),
    ],
    reconcile: mirrorReplicaReconciler({
      hostName,
      served,
      exec,
      arbiter,
      lag,
      isAsked: (resource) => isAsked(options.mailbox, resource),
      monotonicMs: () => clock.monotonicMs(),
      ensureHelper: (passSignal) => installHelper(options.helperPath, exec, passSignal),
      replicas,
      mirrors,
      volumes: objectReader(manager.cache(VOLUMES)),
      hosts: objectReader(manager.cache(HOSTS)),
      secret: secretReader(client),
    }),
  });
  const wake = (replica: MirrorReplica) => wakeReplica(requestFor(replica));
  const changed = (resource: string | undefined) => {
    for (const replica of replicas.list())
      if (resource === undefined || resourceName(replica) === resource) wake(replica);
  };

  addLvmControllers(manager, { hostName, exec, client, events, fieldManager });
  const watchExports = addExportControllers(manager, {
    ...options,
    client,
    events,
    fieldManager,
    served,
    released: () => changed(undefined),
  });

  const guests = addGuestController(manager, { ...options, client, events, fieldManager });

  await installHelper(options.helperPath, exec, signal);
  const { leaseSeconds } = options;
  const beat = { leaseSeconds, intervalMs: (leaseSeconds * 1000) / 3, bootID: `${bootID}_${uuid(random)}` };
  const heartbeat = new Heartbeat({ client, clock, log, hostName, ...beat });
  const reporter = new HostReporter({ ...options, client, agentVersion: options.version, guests: guests.report });
  const answer = drbdAnswers({
    hostName,
    arbiter,
    replicas,
    mirrors,
    lag,
    log,
    wake,
    role: async (resource, roleSignal) => (await observeKernel(exec, roleSignal)).get(resource)?.role,
  });
  log.info({ hostName, bootID }, "agent runs");
  await Promise.all([
    heartbeat.run(signal),
    keepIdentity({ ...options, client }, signal),
    reporter.run(signal),
    manager.run(signal),
    watchDrbd(changed, options, signal),
    watchExports(signal),
    guests.watch(signal),
    serveDrbdRequests(answer, options, signal),
  ]);
}
