import type { ApiObject } from "../../client/api-object.ts";
import { RestClient } from "../../client/rest.ts";
import type { Transport } from "../../client/transport.ts";
import { fencedTransport, LeaderElector } from "../../controllers/leader-election.ts";
import { sleep, systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { systemRandom } from "../../machinery/random.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";

export const CONFIG_MAPS: ResourceType<ApiObject> = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};

/** Leads whenever it may, and then makes a ConfigMap `<identity>-<n>` every few milliseconds. */
export async function lead(
  transport: Transport,
  identity: string,
  signal: AbortSignal,
  say: (what: "leads" | "ends") => void,
): Promise<void> {
  const client = new RestClient({ transport, clock: systemClock, timeoutMs: 5000 });
  const elector = new LeaderElector({
    client,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    namespace: "ferrite-system",
    name: "test",
    identity,
    leaseMs: 3000,
    renewDeadlineMs: 2000,
    retryMs: 300,
  });
  let count = 0;
  await elector.run(async (term) => {
    say("leads");
    const fenced = new RestClient({ transport: fencedTransport(transport, term.isLeading), clock: systemClock });
    while (!term.signal.aborted) {
      const metadata = { namespace: "default", name: `${identity}-${count++}` };
      // A refused or a lost write is what a leader lives with; the signal ends it.
      await fenced.create(CONFIG_MAPS, { metadata }, term.signal).catch(() => undefined);
      await sleep(systemClock, 5, term.signal).catch(() => undefined);
    }
    say("ends");
  }, signal);
}
