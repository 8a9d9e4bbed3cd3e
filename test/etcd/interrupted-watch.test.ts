import { join } from "node:path";
import { expect, it } from "vitest";
import { ResourceCache } from "../../apiserver/storage/cache.ts";
import { ExpiredError, StorageUnavailableError } from "../../apiserver/storage/errors.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { listAll } from "../../apiserver/storage/list-all.ts";
import { RevisionSource } from "../../apiserver/storage/revision-source.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { seededRandom, systemRandom } from "../../machinery/random.ts";
import { startCuttingProxy } from "./cutting-proxy.ts";
import { startEtcd } from "./local-etcd.ts";
import { describeChange, keyOf, PREFIX, Recorder, widget } from "./recorder.ts";

/** An etcd, a client straight to it, and one through a proxy that breaks. */
async function setUp() {
  const server = await startEtcd();
  const proxy = await startCuttingProxy(join(server.dir, "proxy.sock"), server.endpoint);
  const direct = new EtcdStorage({ endpoints: [server.endpoint] });
  const shaky = new EtcdStorage({ endpoints: [proxy.endpoint], retryBudgetMs: 500 });
  return {
    proxy,
    direct,
    shaky,
    async [Symbol.asyncDispose]() {
      await shaky.close();
      await direct.close();
      await proxy.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

it("loses nothing when its stream is cut again and again in mid-replay", async () => {
  await using world = await setUp();
  const { proxy, direct, shaky } = world;
  const start = await direct.currentRevision();
  const written: string[] = [];
  const create = async (n: number) => {
    const { key, revision } = await direct.create(keyOf(`n${n}`), widget(`n${n}`, n, 1000));
    written[revision - start - 1] = `put ${key}@${revision}`;
  };
  for (let n = 0; n < 5000; n += 100) await Promise.all(Array.from({ length: 100 }, (_, i) => create(n + i)));
  const random = seededRandom(3);
  // A replay comes in answers of 1,000 revisions, here about 1 MiB: some cuts hit the first, some a later one.
  proxy.limitBytes = () => random.next() * 3_000_000;
  const recorder = new Recorder(shaky, start);
  const seen = (await recorder.stopAt(start + 5000)).map(describeChange);
  expect(seen).toEqual(written);
  expect(proxy.cuts).toBeGreaterThanOrEqual(2);
});

it("loses nothing when its stream is cut under live load", async () => {
  await using world = await setUp();
  const { proxy, direct, shaky } = world;
  const start = await direct.currentRevision();
  const recorder = new Recorder(shaky, start);
  for (let n = 0; n < 600; n += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => direct.create(keyOf(`n${n + i}`), widget(`n${n + i}`))));
    proxy.cut();
  }
  const seen = await recorder.stopAt(start + 600);
  expect(seen.map(({ stored }) => stored.revision)).toEqual(Array.from({ length: 600 }, (_, n) => start + 1 + n));
});

it("says so when what it missed has been compacted, and the cache over it recovers", async () => {
  await using world = await setUp();
  const { proxy, direct, shaky } = world;
  const cache = new ResourceCache({
    storage: shaky,
    prefix: PREFIX,
    revisions: new RevisionSource(direct),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    waitTimeoutMs: 10_000,
  });
  cache.start();
  await cache.ready();
  const first = await direct.create(keyOf("first"), widget("first"));
  const recorder = new Recorder(shaky, first.revision - 1);
  const ended = recorder.ended.then(
    () => undefined,
    (error: unknown) => error,
  );
  await cache.waitFor(first.revision);
  const subscription = cache.subscribe(cache.revision);
  const cut = (async () => {
    for await (const batch of subscription) expect(batch, "it missed events and must not go on").toEqual([]);
  })().catch((error: unknown) => error);
  await recorder.count(1);

  proxy.up = false;
  proxy.cut();
  const gone = await direct.delete(keyOf("first"), first.revision);
  const second = await direct.create(keyOf("second"), widget("second"));
  await direct.compact(gone.revision);
  proxy.up = true;
  expect(await ended).toBeInstanceOf(ExpiredError);
  expect(recorder.changes).toHaveLength(1);
  expect(await cut).toBeInstanceOf(ExpiredError);
  await cache.waitFor(second.revision);
  expect(cache.list().items.map(({ key }) => key)).toEqual([keyOf("second")]);
  await cache.stop();
});

it("goes on over a compaction of what it has seen, also when it is cut", async () => {
  await using world = await setUp();
  const { proxy, direct, shaky } = world;
  const start = await direct.currentRevision();
  const recorder = new Recorder(shaky, start);
  for (let n = 0; n < 10; n++) {
    const { revision } = await direct.create(keyOf(`n${n}`), widget(`n${n}`));
    await recorder.reached(revision);
    await direct.compact(revision);
    proxy.cut();
  }
  const last = await direct.create(keyOf("last"), widget("last"));
  expect(await recorder.stopAt(last.revision)).toHaveLength(11);
});

it("waits until etcd is there", async () => {
  await using world = await setUp();
  const { proxy, direct, shaky } = world;
  await direct.create(keyOf("a"), widget("a"));
  proxy.up = false;
  const calls = Promise.all([shaky.get(keyOf("a")), shaky.create(keyOf("b"), widget("b"))]);
  await expect(direct.get(keyOf("b"))).resolves.toMatchObject({ stored: undefined });
  proxy.up = true;
  expect((await calls)[0].stored?.key).toBe(keyOf("a"));
  expect((await direct.get(keyOf("b"))).stored?.revision).toBe((await calls)[1].revision);
});

it("repeats reads over a cut, and never a write whose answer was lost", async () => {
  await using world = await setUp();
  const { proxy, shaky } = world;
  let lost = 0;
  for (let n = 0; n < 40; n++) {
    const writes = Array.from({ length: 10 }, (_, i) => shaky.create(keyOf(`n${n}-${i}`), widget("n")));
    const read = shaky.get(keyOf("a"));
    proxy.cut();
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "fulfilled") continue;
      // A write that was repeated after it had been applied would fail on itself: key exists.
      expect(result.reason).toBeInstanceOf(StorageUnavailableError);
      if (result.reason.applied === "unknown") lost++;
    }
    expect((await read).stored).toBeUndefined();
  }
  expect(lost).toBeGreaterThan(0);
});

it("gives up after its budget, and says that nothing was written", async () => {
  await using world = await setUp();
  world.proxy.up = false;
  const refused = await world.shaky.create(keyOf("a"), widget("a")).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(StorageUnavailableError);
  expect(refused).toMatchObject({ applied: "no" });
  await expect(world.shaky.get(keyOf("a"))).rejects.toThrow(StorageUnavailableError);
  const { items } = await listAll(world.direct, PREFIX);
  expect(items).toEqual([]);
});
