import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { listAll } from "../../apiserver/storage/list-all.ts";
import type { ApiObject } from "../../client/api-object.ts";
import { httpsTransport } from "../../client/https-transport.ts";
import { loadKubeconfigFile } from "../../client/kubeconfig/file.ts";
import { Reflector } from "../../client/reflector.ts";
import { RestClient } from "../../client/rest.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { systemRandom } from "../../machinery/random.ts";
import { etcdBinary } from "../etcd/local-etcd.ts";
import { Recorder } from "../etcd/recorder.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { RawFollower } from "./follower.ts";
import { contradictions, describeEvent, eventsOf } from "./history.ts";
import { Informed } from "./informed.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD } from "./widgets.ts";
import { writeLast, Writer, type WrittenKind } from "./writer.ts";

let dir: string;
let etcd: LocalEtcd;
let storage: EtcdStorage;
let one: FerriteServer;
let other: FerriteServer;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "ferrite-two-"));
  etcd = await LocalEtcd.start({ binary: etcdBinary, dir, log: silentLogger });
  storage = new EtcdStorage({ endpoints: [etcd.endpoint] });
  one = await FerriteServer.start(etcd.endpoint);
  other = await FerriteServer.start(etcd.endpoint, one);
  const kubectl = new Kubectl(one.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
  const there = () => new Kubectl(other.kubeconfig).run(["get", "--raw", "/apis/example.com/v1"]);
  await vi.waitFor(async () => expect((await there()).code).toBe(0), { timeout: 10_000 });
});

afterAll(async () => {
  await other.destroy();
  await one.destroy();
  await storage.close();
  await etcd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const WRITERS = 8;
/** Acknowledged writes between two faults. */
const BETWEEN = 100;
const TYPE = { group: "example.com", version: "v1", kind: "Widget", plural: "widgets", namespaced: true };
const PREFIX = "/registry/example.com/widgets/";

const kindIn = (namespace: string): WrittenKind => ({
  path: `/apis/example.com/v1/namespaces/${namespace}/widgets`,
  body: { apiVersion: "example.com/v1", kind: "Widget", spec: { size: 3 } },
});

/** Writers on both servers: `further` waits for their next hundred writes, `end` stops them. */
function startWriters(namespace: string) {
  const kind = kindIn(namespace);
  const [left, right] = [one.kubeconfig, other.kubeconfig];
  const writers = Array.from(
    { length: WRITERS },
    (_, n) => new Writer(n % 2 === 0 ? [left, right] : [right, left], kind, `w-${n}`),
  );
  const running = Promise.all(writers.map((writer) => writer.run()));
  const stop = () => writers.forEach((writer) => writer.stop());
  onTestFinished(stop);
  const count = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  return {
    writers,
    further: async () => {
      const target = count() + BETWEEN;
      await expect.poll(count, { timeout: 40_000, interval: 10 }).toBeGreaterThan(target);
    },
    end: async () => {
      stop();
      await running;
    },
  };
}

/** Some ten rounds, each of which may take as long as its own limit on a busy machine. */
const STORM_MS = 400_000;

it("a watch that goes on at the other server whenever one dies sees every event once and in order", {
  timeout: STORM_MS,
}, async () => {
  await new Kubectl(one.kubeconfig).ok(["create", "ns", "both"]);
  const path = "/apis/example.com/v1/namespaces/both/widgets";
  const start = await storage.currentRevision();
  const followers = [
    [one, other],
    [other, one],
  ].map(
    (servers) =>
      new RawFollower(
        servers.map(({ kubeconfig }) => kubeconfig),
        path,
        start,
      ),
  );
  onTestFinished(async () => {
    for (const follower of followers) await follower.stop();
  });
  const { writers, further, end } = startWriters("both");
  for (const server of [one, other, one, other]) {
    await further();
    await server.kill();
    await further();
    await server.launch();
  }
  await further();
  process.kill(etcd.pid!, "SIGKILL");
  await further();
  await end();
  const last = await writeLast(one.kubeconfig, kindIn("both"));
  const events = eventsOf(await new Recorder(storage, 0, `${PREFIX}both/`).stopAt(last));
  for (const follower of followers) {
    await expect.poll(() => follower.revision, { timeout: 20_000 }).toBeGreaterThanOrEqual(last);
    expect(follower.log).toEqual(events.map(describeEvent));
    expect(follower.opened).toBeGreaterThan(2);
  }
  for (const writer of writers) {
    const own = events.filter(({ name }) => name === writer.name);
    expect(contradictions(writer, own), writer.name).toEqual([]);
  }
});

/** Our reflector on `servers`, in turn; `misfits` is what it told that does not fit what it told before. */
async function startReflector(servers: readonly FerriteServer[]) {
  const connections = await Promise.all(servers.map(({ kubeconfig }) => loadKubeconfigFile(kubeconfig)));
  const [first, second = first] = connections;
  if (first === undefined || second === undefined) throw new Error("a reflector needs a server");
  const { transport, close } = httpsTransport({ ...first, servers: [...first.servers, ...second.servers] });
  const client = new RestClient({ transport, clock: systemClock, timeoutMs: 1500 });
  const reflector = new Reflector<ApiObject>({
    client,
    type: TYPE,
    namespace: "informed",
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    backoff: { baseMs: 20, maxMs: 200 },
  });
  const known = new Map<string, string>();
  const misfits: string[] = [];
  reflector.onChange((change) => {
    const { name = "", resourceVersion = "" } = change.object.metadata;
    const before = known.get(name);
    const fits =
      change.kind === "added"
        ? before === undefined
        : change.kind === "deleted" || before === change.old.metadata.resourceVersion;
    if (!fits || Number(resourceVersion) < Number(before ?? 0))
      misfits.push(`${change.kind} ${name}@${resourceVersion} after ${before}`);
    if (change.kind === "deleted") known.delete(name);
    else known.set(name, resourceVersion);
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
    close();
  });
  await reflector.whenListed();
  return { known, misfits };
}

it("reflectors and informers on either server agree with the store after crashes, an etcd killed, and compactions, under load", {
  timeout: STORM_MS,
}, async () => {
  const kubectl = new Kubectl(one.kubeconfig);
  await kubectl.ok(["create", "ns", "informed"]);
  const followers = [
    await startReflector([one]),
    await startReflector([other]),
    await startReflector([one, other]),
    await Informed.start(one.kubeconfig, "informed"),
    await Informed.start(other.kubeconfig, "informed"),
  ];
  onTestFinished(async () => {
    for (const follower of followers) if (follower instanceof Informed) await follower.stop();
  });
  const { further, end } = startWriters("informed");
  for (const server of [one, other]) {
    await further();
    await server.kill();
    await further();
    // Those that were on it come back to a history that begins later.
    await storage.compact(await storage.currentRevision());
    await further();
    await server.launch();
    await further();
    process.kill(etcd.pid!, "SIGKILL");
    await further();
    await server.stop();
    await server.launch();
  }
  await further();
  await storage.compact(await storage.currentRevision());
  await further();
  await end();
  const last = await writeLast(one.kubeconfig, kindIn("informed"));
  const { items } = await listAll(storage, `${PREFIX}informed/`);
  const wanted = new Map(items.map(({ object, revision }) => [object.metadata.name ?? "", String(revision)]));
  expect(wanted.get("last")).toBe(String(last));
  for (const { known, misfits } of followers) {
    await expect.poll(() => new Map(known), { timeout: 40_000 }).toEqual(wanted);
    expect(misfits).toEqual([]);
  }
});
