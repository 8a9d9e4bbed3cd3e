import { RestClient } from "../client/rest.ts";
import type { Transport } from "../client/transport.ts";
import { SYSTEM_NAMESPACE } from "../crds/constants.ts";
import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { type Random, uuid } from "../machinery/random.ts";
import { ApiContinuity } from "./api-continuity.ts";
import { ApiEventRecorder } from "./events.ts";
import { addExportController } from "./export.ts";
import { addHostController } from "./host.ts";
import { addHostGoneControllers } from "./host-gone.ts";
import { fencedTransport, LeaderElector, type LeaderElectionOptions, type Term } from "./leader-election.ts";
import { addMigrationController } from "./migration.ts";
import { addMirrorController } from "./mirror.ts";
import { addVirtualMachineController } from "./virtual-machine.ts";
import { addHostBindingControllers, addVolumeBindingController } from "./volume-binding.ts";
import { Manager, type ReflectorHealth } from "./manager.ts";

export interface ControllersOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** This machine or pod: part of the identity in the leader's Lease. */
  readonly instance: string;
  readonly election?: Pick<LeaderElectionOptions, "leaseMs" | "renewDeadlineMs" | "retryMs">;
}

export interface RunningControllers {
  readonly isLeading: () => boolean;
  /** Who leads, as last seen. */
  readonly leader: () => string | undefined;
  /** What the caches of a leader see; empty while another leads. */
  readonly health: () => readonly ReflectorHealth[];
  /** Ends the running passes, then gives the leader's Lease back. */
  readonly stop: () => Promise<void>;
}

const LEASE_NAME = "ferrite-controllers";
/** Longer than the time between two renewals of our Lease, shorter than what agents can bridge. */
const MAX_WRITE_GAP_MS = 2500;

/**
 * Runs all controllers while this process leads. Each term has its own caches and controllers, and its writes are
 * fenced: see `fencedTransport`. Returns at once; the API may be down for as long as it likes.
 */
export function startControllers(options: ControllersOptions): RunningControllers {
  const { transport, clock, random, log, instance } = options;
  const stopping = new AbortController();
  const client = new RestClient({ transport, clock, userAgent: "ferrite-controllers" });
  const elector = new LeaderElector({
    ...options.election,
    client,
    clock,
    random,
    log,
    namespace: SYSTEM_NAMESPACE,
    name: LEASE_NAME,
    identity: `${instance}_${uuid(random)}`,
  });
  const continuity = new ApiContinuity(clock, MAX_WRITE_GAP_MS);
  elector.onRenewal((sentMs, endedMs) => continuity.proved(sentMs, endedMs));
  let current: { readonly term: Term; readonly manager: Manager } | undefined;
  const lead = async (term: Term): Promise<void> => {
    const manager = makeManager(options, term, continuity);
    current = { term, manager };
    await manager.run(term.signal);
    current = undefined;
  };
  const ended = elector.run(lead, stopping.signal);
  return {
    isLeading: () => current?.term.isLeading() ?? false,
    leader: () => elector.leader,
    health: () => current?.manager.health() ?? [],
    async stop() {
      stopping.abort(new Error("the controllers stop"));
      await ended;
    },
  };
}

function makeManager(options: ControllersOptions, term: Term, continuity: ApiContinuity): Manager {
  const { clock, random, log, instance } = options;
  const transport = fencedTransport(options.transport, term.isLeading);
  const client = new RestClient({ transport, clock, userAgent: "ferrite-controllers" });
  const manager = new Manager({ client, clock, random, log });
  const events = new ApiEventRecorder({ client, clock, random, log, component: "ferrite-controllers", instance });
  addHostController(manager.scope(), { client, clock, events, continuity });
  addVolumeBindingController(manager.scope(), { client, events });
  addHostBindingControllers(manager.scope(), { client, events });
  addHostGoneControllers(manager.scope(), { client, events });
  addMirrorController(manager.scope(), { client, events });
  addExportController(manager.scope(), { client, events });
  addVirtualMachineController(manager.scope(), { client, events });
  addMigrationController(manager.scope(), { client, events });
  return manager;
}
