import { expect, it, vi } from "vitest";
import { ResourceCache } from "../../apiserver/storage/cache.ts";
import type { CacheEvent } from "../../apiserver/storage/cache-event.ts";
import { KeyExistsError, RevisionMismatchError, StorageUnavailableError } from "../../apiserver/storage/errors.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { listAll } from "../../apiserver/storage/list-all.ts";
import { RevisionSource } from "../../apiserver/storage/revision-source.ts";
import type { Storage, Stored } from "../../apiserver/storage/types.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { seededRandom, systemRandom } from "../../machinery/random.ts";
import { startEtcd } from "./local-etcd.ts";
import { describeChange, keyOf, PREFIX, Recorder, widget } from "./recorder.ts";

const KILLS = 8;
const WRITERS = 16;

interface Log {
  /** Every acknowledged write: what, and at which revision. */
  readonly acknowledged: string[];
  unknown: number;
  refused: number;
}

/** Writes at random to keys that others write too, until it is told to stop. */
async function writeUntil(stopped: () => boolean, storage: Storage, seed: number, log: Log): Promise<void> {
  const random = seededRandom(seed);
  for (let n = 0; !stopped(); n++) {
    const key = keyOf(`w${Math.floor(random.next() * 30)}`);
    try {
      const { stored } = await storage.get(key);
      const written = await writeOne(storage, key, stored, widget("w", seed * 1_000_000 + n), random.next());
      log.acknowledged.push(written);
    } catch (error) {
      if (error instanceof RevisionMismatchError || error instanceof KeyExistsError) log.refused++;
      else if (error instanceof StorageUnavailableError) log.unknown++;
      else throw error;
    }
  }
}

async function writeOne(
  storage: Storage,
  key: string,
  stored: Stored | undefined,
  object: ReturnType<typeof widget>,
  dice: number,
) {
  if (stored === undefined) return `put ${key}@${(await storage.create(key, object)).revision}`;
  if (dice < 0.2) return `delete ${key}@${(await storage.delete(key, stored.revision)).revision}`;
  return `put ${key}@${(await storage.replace(key, stored.revision, object)).revision}`;
}

it(`loses and repeats nothing when etcd is killed ${KILLS} times under load`, async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  const start = await storage.currentRevision();
  const recorder = new Recorder(storage, start);
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
  const subscribed: CacheEvent[][] = [];
  const subscriptions = Array.from({ length: 20 }, () => cache.subscribe(cache.revision));
  const readers = subscriptions.map(async (subscription) => {
    const events: CacheEvent[] = [];
    subscribed.push(events);
    for await (const batch of subscription) events.push(...batch);
  });

  let stop = false;
  const log: Log = { acknowledged: [], unknown: 0, refused: 0 };
  const writers = Array.from({ length: WRITERS }, (_, seed) => writeUntil(() => stop, storage, seed, log));
  for (let kill = 0; kill < KILLS; kill++) {
    const target = log.acknowledged.length + 150;
    await vi.waitUntil(() => log.acknowledged.length >= target, { interval: 5, timeout: 60_000 });
    process.kill(server.etcd.pid!, "SIGKILL");
  }
  const target = log.acknowledged.length + 100;
  await vi.waitUntil(() => log.acknowledged.length >= target, { interval: 5, timeout: 60_000 });
  stop = true;
  await Promise.all(writers);

  const { items, revision } = await listAll(storage, PREFIX);
  const last = (await storage.create(keyOf("last"), widget("last"))).revision;
  const seen = (await recorder.stopAt(last)).map(describeChange);
  expect(new Set(seen).size).toBe(seen.length);
  const revisions = recorder.changes.map(({ stored }) => stored.revision);
  expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
  const all = new Set(seen);
  expect(log.acknowledged.filter((write) => !all.has(write))).toEqual([]);
  expect(log.acknowledged.length).toBeGreaterThan(KILLS * 150);
  // What was seen but never acknowledged are writes whose answer was lost: no more than there were.
  expect(seen.length - 1 - log.acknowledged.length).toBeLessThanOrEqual(log.unknown);

  await cache.waitFor(last);
  const cached = cache.list().items.filter(({ revision: changed }) => changed <= revision);
  expect(cached.map(({ key, revision: changed, value }) => [key, changed, value])).toEqual(
    items.map(({ key, revision: changed, value }) => [key, changed, value]),
  );
  await cache.stop();
  await Promise.all(readers);
  for (const events of subscribed) {
    expect(events.map(({ type, stored }) => `${type} ${stored.key}@${stored.revision}`)).toEqual(seen);
  }
  process.stdout.write(
    `chaos: ${log.acknowledged.length} acknowledged, ${log.unknown} unknown, ${log.refused} refused, ${seen.length} seen\n`,
  );
  await storage.close();
});
