import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { EtcdClient } from "../../apiserver/storage/etcd/client.ts";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { ApiClient } from "../../hack/bench/api-client.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { etcdBinary } from "../etcd/local-etcd.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

/** Refusals that have their reason in who asks, in how many ask, or in the store; not in what is asked. */
let dir: string;
let etcd: LocalEtcd;
let server: FerriteServer;
let kubectl: Kubectl;
let client: ApiClient;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "ferrite-refusals-"));
  etcd = await LocalEtcd.start({ binary: etcdBinary, dir, log: silentLogger });
  server = await FerriteServer.start(etcd.endpoint);
  kubectl = new Kubectl(server.kubeconfig);
  client = new ApiClient(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
});

afterAll(async () => {
  client.close();
  await server.destroy();
  await etcd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const WIDGETS = "/apis/example.com/v1/namespaces/default/widgets";
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";

interface Kubeconfig {
  readonly clusters: readonly object[];
  readonly users: readonly { readonly user: object }[];
}

/** A client of this server that differs in its user. */
function clientOf(change: (administrator: object) => object): ApiClient {
  const { clusters, users } = parse(readFileSync(server.kubeconfig, "utf8")) as Kubeconfig;
  const path = join(dir, "other.kubeconfig");
  writeFileSync(path, stringify({ clusters, users: [{ user: change(users[0]?.user ?? {}) }] }));
  return new ApiClient(path);
}

it("401: nobody knows this token; of no use for what anybody may see either", async () => {
  const stranger = clientOf(() => ({ token: "no-such-token" }));
  const asked = [WIDGETS, "/version", "/apis"].map((path) => stranger.ask("GET", path));
  for (const { status, text } of await Promise.all(asked)) {
    expect([status, JSON.parse(text)]).toEqual([
      401,
      {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: "Unauthorized",
        reason: "Unauthorized",
        code: 401,
      },
    ]);
  }
  stranger.close();
  const argv = ["get", "cm", "--token=no-such-token", "--kubeconfig=/dev/null", `--server=https://${server.address}`];
  expect(await kubectl.fails([...argv, "--insecure-skip-tls-verify"])).toContain(
    "You must be logged in to the server (Unauthorized)",
  );
});

it("429: too many at once, with Retry-After; administrators and Leases go ahead", async () => {
  await kubectl.ok(["create", "rolebinding", "crowd", "--clusterrole=view", "--user=bob"]);
  // One connection has fewer streams than there are places.
  const crowd = Array.from({ length: 5 }, () => clientOf((administrator) => ({ ...administrator, as: "bob" })));
  for (const one of crowd) await expect.poll(async () => (await one.ask("GET", CONFIG_MAPS)).status).toBe(200);
  process.kill(etcd.pid!, "SIGSTOP");
  // None of these is answered before the store is.
  const waiting = crowd.flatMap((one) => Array.from({ length: 100 }, () => one.ask("GET", `${CONFIG_MAPS}/absent`)));
  const first = await Promise.race(waiting);
  const lease = client.ask("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/absent");
  const administrator = client.ask("GET", `${CONFIG_MAPS}/absent`);
  process.kill(etcd.pid!, "SIGCONT");
  expect(JSON.parse(first.text)).toMatchObject({
    kind: "Status",
    message: "Too many requests, please try again later.",
    reason: "TooManyRequests",
    details: { retryAfterSeconds: 1 },
    code: 429,
  });
  expect([first.status, first.headers["retry-after"]]).toEqual([429, "1"]);
  expect([(await lease).status, (await administrator).status]).toEqual([404, 404]);
  const codes = (await Promise.all(waiting)).map(({ status }) => status);
  expect(codes.filter((code) => code === 404)).toHaveLength(400);
  expect(codes.filter((code) => code === 429)).toHaveLength(100);
  for (const one of crowd) one.close();
});

it("500: what lies in the store is no object; the rest is served all the same", async () => {
  await kubectl.ok(["create", "-f", "-"], widget("w"));
  const raw = new EtcdClient(etcd.endpoint, {}, systemClock);
  const key = "/registry/example.com/widgets/default/broken";
  await raw.put({ key, value: '{"kind":' });
  const { status, text } = await client.ask("GET", `${WIDGETS}/broken`);
  expect([status, JSON.parse(text)]).toEqual([
    500,
    {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: expect.stringContaining(key),
      reason: "InternalError",
      code: 500,
    },
  ]);
  expect(await kubectl.fails(["get", "widget", "broken"])).toContain("Error from server (InternalError): ");
  expect((await client.ask("GET", `${WIDGETS}/w`)).status).toBe(200);
  expect((await client.ask("GET", "/readyz")).status).toBe(200);
  await raw.txn({ key, expect: { version: 1 }, change: "delete" });
  raw.close();
});
