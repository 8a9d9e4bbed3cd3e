import { isNotFound } from "../client/errors.ts";
import type { RestClient } from "../client/rest.ts";
import { SYSTEM_NAMESPACE } from "../crds/constants.ts";
import { HOSTS } from "../crds/generated/host.ts";
import type { Clock } from "../machinery/clock.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import { type HostDependencies, reconcileHost } from "../reconcilers/host/reconcile.ts";
import type { ApiContinuity } from "./api-continuity.ts";
import { HOST_LEASE_PREFIX, Heartbeats } from "./heartbeats.ts";
import { LEASES } from "./lease.ts";
import type { Registrar } from "./manager.ts";
import { objects, type Source } from "./source.ts";
import { StatusWriter } from "./status-writer.ts";

export interface HostControllerOptions {
  readonly client: Pick<RestClient, "get" | "apply">;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly continuity: Pick<ApiContinuity, "servedSinceMs">;
}

/** Watches Hosts and their heartbeats; writes `Ready`. */
export function addHostController(manager: Registrar, options: HostControllerOptions): void {
  const { client, clock, events, continuity } = options;
  const hosts = manager.cache(HOSTS);
  const leases = manager.reflector(LEASES, { namespace: SYSTEM_NAMESPACE });
  const heartbeats = new Heartbeats(clock);
  const status = new StatusWriter({ client, fieldManager: "ferrite-host" });

  const lookAgain: HostDependencies["lookAgain"] = async (hostName, signal) => {
    const key = { namespace: SYSTEM_NAMESPACE, name: HOST_LEASE_PREFIX + hostName };
    try {
      heartbeats.observe(await client.get(LEASES, key, signal));
    } catch (error) {
      if (!isNotFound(error)) throw error; // a deleted Lease is not renewed: that is an answer
    }
  };
  const renewals: Source = (_, enqueue) =>
    leases.onChange((change) => {
      if (change.kind === "deleted") return;
      const name = heartbeats.observe(change.object);
      if (name !== undefined) enqueue({ namespace: "", name });
    });

  manager.add({
    name: "host",
    sources: [objects(HOSTS), renewals],
    concurrency: 4,
    reconcile: reconcileHost({
      host: (name) => hosts.get("", name),
      monotonicMs: () => clock.monotonicMs(),
      heartbeat: (name) => heartbeats.get(name),
      sight: () => ({
        servedSinceMs: servedSinceMs(leases.sight, continuity.servedSinceMs),
        blind: leases.sight.kind === "blind" ? leases.sight : undefined,
      }),
      lookAgain,
      writeStatus: (host, own, signal) => status.write(HOSTS, host, own, signal),
      events,
    }),
  });
}

/** The API served without a break since the later of the two: it took writes, and its events reached us. */
function servedSinceMs(
  sight: { readonly kind: string; readonly sinceMs: number },
  writesSinceMs?: number,
): number | undefined {
  return writesSinceMs === undefined || sight.kind === "blind" ? undefined : Math.max(sight.sinceMs, writesSinceMs);
}
