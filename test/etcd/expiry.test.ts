import { expect, it } from "vitest";
import { ResourceCache } from "../../apiserver/storage/cache.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { RevisionSource } from "../../apiserver/storage/revision-source.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { systemRandom } from "../../machinery/random.ts";
import { askGateway } from "./gateway.ts";
import { startEtcd } from "./local-etcd.ts";
import { keyOf, PREFIX, Recorder, widget } from "./recorder.ts";

const COUNT = 1500;

it(`deletes ${COUNT} objects that expire together, and every watch sees each once`, async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint], leaseBucketSeconds: 2 });
  const start = await storage.currentRevision();
  const cache = new ResourceCache({
    storage,
    prefix: PREFIX,
    revisions: new RevisionSource(storage),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  cache.start();
  await cache.ready();
  const recorder = new Recorder(storage, start);
  for (let n = 0; n < COUNT; n += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        storage.create(keyOf(`n${n + i}`), widget("n", 1, 8000), { ttlSeconds: 2 }),
      ),
    );
  }
  const lasting = await storage.create(keyOf("lasting"), widget("lasting"));
  await cache.waitFor(lasting.revision);
  await recorder.count(2 * COUNT + 1);
  const deletes = recorder.changes.filter(({ type }) => type === "delete");
  expect(new Set(deletes.map(({ stored }) => stored.key)).size).toBe(COUNT);
  expect(deletes.every(({ previous }) => previous !== undefined)).toBe(true);
  // A lease takes its keys in one revision, here in an answer so large that etcd sends it in fragments: all but the
  // last event of it say that more follow.
  const revisions = new Set(deletes.map(({ stored }) => stored.revision));
  expect(revisions.size).toBeLessThan(COUNT / 10);
  expect(deletes.filter(({ more }) => more !== true)).toHaveLength(revisions.size);
  await cache.fresh();
  expect(cache.list().items.map(({ key }) => key)).toEqual([keyOf("lasting")]);
  recorder.stop();
  await cache.stop();
  await storage.close();
});

it("takes a new lease when somebody has revoked the old one", async () => {
  await using server = await startEtcd();
  const leases = async () =>
    ((await askGateway(`unix:${server.dir}/http.sock`, "/v3/lease/leases", {})) as { leases: { ID: string }[] }).leases;
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  await storage.create(keyOf("a"), widget("a"), { ttlSeconds: 3600 });
  const [first, ...others] = await leases();
  expect(others).toEqual([]);
  await askGateway(`unix:${server.dir}/http.sock`, "/v3/lease/revoke", { ID: first!.ID });
  await storage.create(keyOf("b"), widget("b"), { ttlSeconds: 3600 });
  await storage.create(keyOf("c"), widget("c"), { ttlSeconds: 3600 });
  expect(await leases()).toHaveLength(1);
  expect((await storage.get(keyOf("b"))).stored).toBeDefined();
  await storage.close();
});
