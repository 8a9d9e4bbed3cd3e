import { afterAll, beforeAll, expect, it } from "vitest";
import { httpsTransport } from "../../client/https-transport.ts";
import { loadKubeconfigFile } from "../../client/kubeconfig/file.ts";
import { Reflector } from "../../client/reflector.ts";
import { RestClient } from "../../client/rest.ts";
import { LEASES } from "../../controllers/lease.ts";
import { HOSTS } from "../../crds/generated/host.ts";
import { formatMicroTime, systemClock } from "../../machinery/clock.ts";
import { findCondition } from "../../machinery/conditions.ts";
import { silentLogger } from "../../machinery/log.ts";
import { systemRandom } from "../../machinery/random.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";

let server: FerriteServer;
let kubectl: Kubectl;
let client: RestClient;
let close: () => void;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "crds/host.yaml"]);
  await kubectl.ok(["wait", "--for=condition=Established", "crd/hosts.ferrite.dev"]);
  const https = httpsTransport(await loadKubeconfigFile(server.kubeconfig));
  close = https.close;
  client = new RestClient({ transport: https.transport, clock: systemClock, timeoutMs: 1500 });
});

afterAll(async () => {
  close();
  await server.destroy();
});

/** Renews the Lease of a host every two seconds, as its agent does. */
function startHeartbeat(hostName: string): () => void {
  const key = { namespace: "ferrite-system", name: `host-${hostName}` };
  const spec = () => ({ holderIdentity: hostName, leaseDurationSeconds: 6, renewTime: formatMicroTime(new Date()) });
  const renew = async () => {
    try {
      await client.patch(LEASES, key, { kind: "merge", body: { spec: spec() } });
    } catch {
      await client.create(LEASES, { metadata: key, spec: spec() }).catch(() => undefined); // the next beat tries again
    }
  };
  void renew();
  const timer = setInterval(() => void renew(), 2000);
  return () => clearInterval(timer);
}

const waitFor = (condition: string) =>
  kubectl.ok(["wait", "--for", `condition=${condition}`, "host/alpha", "--timeout=40s"]);

it("kubectl sees a host live, never die with its server, and die when its agent does", async () => {
  const stop = new AbortController();
  const reflector = new Reflector({
    client,
    type: HOSTS,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  const seen: string[] = [];
  reflector.onChange(({ object }) => {
    const ready = findCondition(object.status?.conditions, "Ready");
    const state = ready === undefined ? "-" : `${ready.status} ${ready.reason}`;
    if (seen.at(-1) !== state) seen.push(state);
  });
  const following = reflector.run(stop.signal);
  await reflector.whenListed();
  const manifest = { apiVersion: "ferrite.dev/v1alpha1", kind: "Host", metadata: { name: "alpha" } };
  await kubectl.ok(["create", "-f", "-"], JSON.stringify({ ...manifest, spec: { address: "10.0.0.1" } }));
  await waitFor("Ready=Unknown");
  const stopHeartbeat = startHeartbeat("alpha");
  await waitFor("Ready=True");
  await server.kill();
  await server.launch();
  // The next leader waits for the old Lease, then judges from nothing; the label makes it look at once.
  await kubectl.ok(["label", "host", "alpha", "touched=yes"]);
  await waitFor("Ready=True");
  stopHeartbeat();
  await waitFor("Ready=False");
  expect(await kubectl.ok(["describe", "host", "alpha"])).toContain("no heartbeat from the agent of alpha since");
  stop.abort();
  await following;
  expect(seen).toEqual(["-", "Unknown NeverSeen", "True HeartbeatSeen", "False HeartbeatLost"]);
});
