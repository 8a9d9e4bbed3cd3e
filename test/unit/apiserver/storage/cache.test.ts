import * as fc from "fast-check";
import { expect, it } from "vitest";
import { ResourceCache, type CacheOptions } from "../../../../apiserver/storage/cache.ts";
import type { CacheEvent } from "../../../../apiserver/storage/cache-event.ts";
import {
  CacheBehindError,
  CacheDivergedError,
  ExpiredError,
  SlowConsumerError,
  StorageUnavailableError,
} from "../../../../apiserver/storage/errors.ts";
import { MemoryStorage } from "../../../../apiserver/storage/memory.ts";
import { RevisionSource } from "../../../../apiserver/storage/revision-source.ts";
import type { Subscription } from "../../../../apiserver/storage/subscription.ts";
import type { Storage, StorageEvent } from "../../../../apiserver/storage/types.ts";
import { silentLogger } from "../../../../machinery/log.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { seededRandom } from "../../../../machinery/random.ts";
import { VirtualClock } from "../../../../machinery/virtual-clock.ts";
import { breakable } from "./breakable-storage.ts";

const PREFIX = "/registry/example.com/widgets/";
const keyOf = (name: string, namespace = "default") => `${PREFIX}${namespace}/${name}`;
const widget = (name: string, size = 1): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name },
  spec: { size },
});

async function setUp(options: Partial<CacheOptions> = {}, wrap: (storage: Storage) => Storage = (storage) => storage) {
  const clock = new VirtualClock();
  const memory = new MemoryStorage(clock);
  const storage = wrap(memory);
  const revisions = new RevisionSource(storage);
  const cache = new ResourceCache({
    storage,
    prefix: PREFIX,
    revisions,
    clock,
    random: seededRandom(1),
    log: silentLogger,
    ...options,
  });
  cache.start();
  await cache.ready();
  await clock.settle();
  return { clock, storage, cache };
}

const brief = ({ type, stored }: CacheEvent) => `${type} ${stored.object.metadata.name}@${stored.revision}`;

/** Collects what a subscription hands out, until it ends. */
function collect(subscription: Subscription) {
  const events: CacheEvent[] = [];
  const ended = (async () => {
    for await (const batch of subscription) events.push(...batch);
  })().then(
    () => undefined,
    (error: unknown) => error,
  );
  return { events, ended };
}

it("serves reads at its revision, by namespace and by page", async () => {
  const { cache, storage } = await setUp();
  for (const name of ["c", "a", "b"]) await storage.create(keyOf(name), widget(name));
  await storage.create(keyOf("z", "other"), widget("z"));
  await storage.create("/registry/example.com/widgetsx/default/a", widget("no"));
  await cache.fresh();
  const revision = await storage.currentRevision();
  const names = (prefix?: string, page = {}) =>
    cache.list(prefix, page).items.map(({ object }) => object.metadata.name);
  expect(names()).toEqual(["a", "b", "c", "z"]);
  expect(names(`${PREFIX}default/`)).toEqual(["a", "b", "c"]);
  expect(names(`${PREFIX}none/`)).toEqual([]);
  expect(cache.list(PREFIX, { limit: 2 })).toMatchObject({ more: true, remaining: 2, revision });
  expect(names(PREFIX, { limit: 2, after: keyOf("a") })).toEqual(["b", "c"]);
  expect(names(PREFIX, { after: keyOf("z", "other") })).toEqual([]);
  expect(cache.get(keyOf("b"))?.object["spec"]).toEqual({ size: 1 });
  expect(cache.get(keyOf("nobody"))).toBeUndefined();
});

it("is fresh after what others wrote elsewhere, too", async () => {
  const { cache, storage } = await setUp();
  await storage.create("/registry/other/a", widget("a"));
  const revision = await storage.currentRevision();
  expect(cache.revision).toBeLessThan(revision);
  await cache.fresh();
  expect(cache.revision).toBeGreaterThanOrEqual(revision);
});

it("says that it is behind when a revision does not come", async () => {
  const { cache, clock, storage } = await setUp();
  const future = (await storage.currentRevision()) + 5;
  const waiting = cache.waitFor(future).catch((error: unknown) => error);
  await clock.advance(2999);
  await clock.advance(1);
  expect(await waiting).toBeInstanceOf(CacheBehindError);
  expect(clock.pending).toBeLessThanOrEqual(1);
  await clock.advance(100);
  expect(clock.pending).toBe(0);
});

it("lets nobody read before the first list is in", async () => {
  const clock = new VirtualClock();
  const storage = new MemoryStorage(clock);
  const revisions = new RevisionSource(storage);
  const options = { storage, prefix: PREFIX, revisions, clock, random: seededRandom(1), log: silentLogger };
  const cache = new ResourceCache(options);
  expect(() => cache.list()).toThrow(StorageUnavailableError);
  expect(() => cache.get(keyOf("a"))).toThrow(StorageUnavailableError);
  expect(() => cache.subscribe(1)).toThrow(StorageUnavailableError);
});

it("hands all watches the same event objects in the same order, encoded once", async () => {
  const { cache, clock, storage } = await setUp();
  const watches = Array.from({ length: 50 }, () => collect(cache.subscribe(cache.revision)));
  const a = await storage.create(keyOf("a"), widget("a"));
  await storage.replace(keyOf("a"), a.revision, widget("a", 2));
  await storage.delete(keyOf("a"), a.revision + 1);
  await clock.settle();
  const [first, ...others] = watches.map(({ events }) => events);
  expect(first?.map(brief)).toEqual([`put a@${a.revision}`, `put a@${a.revision + 1}`, `delete a@${a.revision + 2}`]);
  for (const other of others) expect(other.every((event, index) => event === first?.[index])).toBe(true);
  let made = 0;
  const make = () => Buffer.from(String(++made));
  const encoded = others.map((events) => events[0]?.encode("json", make));
  expect(made).toBe(1);
  expect(new Set(encoded).size).toBe(1);
  expect(first?.[1]?.previous).toBe(first?.[0]?.stored);
});

it("gives a watch only its namespace", async () => {
  const { cache, clock, storage } = await setUp();
  const { events } = collect(cache.subscribe(cache.revision, `${PREFIX}one/`));
  await storage.create(keyOf("a", "one"), widget("a"));
  await storage.create(keyOf("b", "two"), widget("b"));
  await clock.settle();
  expect(events.map(({ stored }) => stored.key)).toEqual([keyOf("a", "one")]);
});

it("cuts a watch that does not read, and lets the others go on", async () => {
  const { cache, clock, storage } = await setUp({ bufferEvents: 5 });
  const slow = cache.subscribe(cache.revision)[Symbol.asyncIterator]();
  const first = slow.next();
  const quick = collect(cache.subscribe(cache.revision));
  await storage.create(keyOf("n0"), widget("n0"));
  expect((await first).value).toHaveLength(1);
  for (let n = 1; n <= 7; n++) {
    await storage.create(keyOf(`n${n}`), widget(`n${n}`));
    await clock.settle();
  }
  await expect(slow.next()).rejects.toThrow(SlowConsumerError);
  expect(quick.events).toHaveLength(8);
});

it("replays more than a buffer's worth to a watch that comes back", async () => {
  const { cache, clock, storage } = await setUp({ bufferEvents: 3 });
  const start = cache.revision;
  for (let n = 0; n < 20; n++) await storage.create(keyOf(`n${n}`), widget(`n${n}`));
  await cache.fresh();
  const { events } = collect(cache.subscribe(start));
  await clock.settle();
  expect(events).toHaveLength(20);
});

it("reads from the store what its window has no more, and goes on without a gap", async () => {
  const { cache, clock, storage } = await setUp({ windowEvents: 3 });
  const start = cache.revision;
  for (let n = 0; n < 20; n++) await storage.create(keyOf(`n${n}`), widget(`n${n}`));
  await cache.fresh();
  const subscription = cache.subscribe(start);
  const { events } = collect(subscription);
  await storage.create(keyOf("live"), widget("live"));
  await clock.advance(50);
  expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: 21 }, (_, n) => start + 1 + n));
  expect(subscription.revision).toBe(start + 21);
});

it("ends a replay in which nothing happened", async () => {
  const { cache, clock, storage } = await setUp({ windowEvents: 1 });
  const start = cache.revision;
  for (let n = 0; n < 5; n++) await storage.create(keyOf(`n${n}`, "busy"), widget(`n${n}`));
  await cache.fresh();
  const subscription = cache.subscribe(start, `${PREFIX}quiet/`);
  const { events } = collect(subscription);
  await clock.advance(50);
  expect(subscription.revision).toBe(start + 5);
  await storage.create(keyOf("a", "quiet"), widget("a"));
  await clock.settle();
  expect(events.map(({ stored }) => stored.key)).toEqual([keyOf("a", "quiet")]);
});

it("does not hand out twice what happens during a replay", async () => {
  const { cache, clock, storage } = await setUp({ windowEvents: 1 });
  const start = cache.revision;
  for (let n = 0; n < 5; n++) await storage.create(keyOf(`n${n}`, "busy"), widget(`n${n}`));
  await cache.fresh();
  const { events } = collect(cache.subscribe(start, `${PREFIX}quiet/`));
  // Nothing of this namespace is to be replayed: this is the first that the replay sees.
  await storage.create(keyOf("a", "quiet"), widget("a"));
  await clock.advance(50);
  expect(events.map(({ stored }) => stored.key)).toEqual([keyOf("a", "quiet")]);
});

it("ends a replay whose watch is closed while the store says nothing", async () => {
  const { cache, clock, storage } = await setUp({ windowEvents: 1, waitTimeoutMs: 100 }, (memory) => ({
    ...breakable(memory).storage,
    watch(prefix, afterRevision, signal) {
      const inner = memory.watch(prefix, afterRevision, signal);
      return { requestProgress() {}, [Symbol.asyncIterator]: () => inner[Symbol.asyncIterator]() };
    },
  }));
  const start = cache.revision;
  for (let n = 0; n < 5; n++) await storage.create(keyOf(`n${n}`, "busy"), widget(`n${n}`));
  await clock.settle();
  const subscription = cache.subscribe(start, `${PREFIX}quiet/`);
  const { events, ended } = collect(subscription);
  await clock.advance(50);
  subscription.close();
  expect(await ended).toBeUndefined();
  expect(events).toEqual([]);
  expect(clock.pending).toBe(0);
});

it("tells a watch that what it missed is gone", async () => {
  const { cache, clock, storage } = await setUp({ windowEvents: 3 });
  const start = cache.revision;
  for (let n = 0; n < 20; n++) await storage.create(keyOf(`n${n}`), widget(`n${n}`));
  await storage.compact(start + 10);
  await cache.fresh();
  const { ended } = collect(cache.subscribe(start));
  await clock.advance(50);
  expect(await ended).toBeInstanceOf(ExpiredError);
});

it("lists again after losing events, and fails its watches rather than hide the gap", async () => {
  let breakWatches: (error: Error) => void = () => {};
  const { cache, clock, storage } = await setUp({}, (memory) => {
    const made = breakable(memory);
    breakWatches = (error) => made.breakWatches(error);
    return made.storage;
  });
  const a = await storage.create(keyOf("a"), widget("a"));
  await cache.fresh();
  const subscription = cache.subscribe(cache.revision);
  const watching = collect(subscription);
  await clock.settle();
  const seen = subscription.revision;
  breakWatches(new ExpiredError(1, 2));
  await storage.delete(keyOf("a"), a.revision);
  await storage.create(keyOf("b"), widget("b"));
  await clock.advance(200);
  expect(await watching.ended).toBeInstanceOf(ExpiredError);
  expect(watching.events).toEqual([]);
  // A bookmark must not claim what the watch has missed.
  expect(subscription.revision).toBeLessThanOrEqual(seen);
  expect(cache.list().items.map(({ key }) => key)).toEqual([keyOf("b")]);
  const again = collect(cache.subscribe(cache.revision));
  await storage.create(keyOf("c"), widget("c"));
  await clock.settle();
  expect(again.events.map(({ stored }) => stored.key)).toEqual([keyOf("c")]);
});

/** A store that says twice that it changed `a`, and leaves out what came between. */
it("notices an event that its watch has swallowed, and lists again", async () => {
  const warnings: unknown[] = [];
  const log = { warn: (fields: { err: unknown }) => warnings.push(fields.err) } as unknown as CacheOptions["log"];
  const { cache, clock, storage } = await setUp({ log }, (memory) => ({
    ...breakable(memory).storage,
    watch(prefix, afterRevision, signal) {
      const inner = memory.watch(prefix, afterRevision, signal);
      async function* swallow(): AsyncGenerator<StorageEvent> {
        for await (const event of inner) if (event.type === "progress" || event.stored.revision !== 3) yield event;
      }
      return { requestProgress: () => inner.requestProgress(), [Symbol.asyncIterator]: swallow };
    },
  }));
  const created = await storage.create(keyOf("a"), widget("a"));
  const second = await storage.replace(keyOf("a"), created.revision, widget("a", 2));
  expect(second.revision).toBe(3);
  await storage.replace(keyOf("a"), 3, widget("a", 3));
  await clock.advance(200);
  expect(warnings[0]).toBeInstanceOf(CacheDivergedError);
  expect(cache.get(keyOf("a"))?.object["spec"]).toEqual({ size: 3 });
});

it("takes the events of one revision as one", async () => {
  let gate = () => {};
  const opened = new Promise<void>((resolve) => {
    gate = resolve;
  });
  const { cache, clock, storage } = await setUp({}, (memory) => ({
    ...breakable(memory).storage,
    watch(prefix, afterRevision, signal) {
      const inner = memory.watch(prefix, afterRevision, signal);
      async function* joined(): AsyncGenerator<StorageEvent> {
        for await (const event of inner) {
          if (event.type === "progress") continue;
          yield { ...event, more: true };
          await opened;
          const twin = { ...event.stored, key: `${event.stored.key}-twin`, object: event.stored.object };
          yield { type: "put", stored: twin, previous: undefined };
        }
      }
      return { requestProgress() {}, [Symbol.asyncIterator]: joined };
    },
  }));
  const before = cache.revision;
  const { revision } = await storage.create(keyOf("a"), widget("a"));
  await clock.settle();
  expect(cache.revision).toBe(before);
  expect(cache.list().items).toEqual([]);
  gate();
  await clock.settle();
  expect(cache.revision).toBe(revision);
  expect(cache.list().items).toHaveLength(2);
});

it("a list and the events after it give the state, wherever the watch begins", async () => {
  const step = fc.record({ name: fc.constantFrom("a", "b", "c", "d"), remove: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.nat(40),
      fc.integer({ min: 1, max: 50 }),
      async (steps, at, windowEvents) => {
        const { cache, clock, storage } = await setUp({ windowEvents });
        const lists = new Map<number, ReadonlyMap<string, number>>();
        const snapshot = () => new Map(cache.list().items.map(({ key, revision }) => [key, revision]));
        lists.set(cache.revision, snapshot());
        for (const { name, remove } of steps) {
          const { stored } = await storage.get(keyOf(name));
          if (stored === undefined) await storage.create(keyOf(name), widget(name));
          else if (remove) await storage.delete(keyOf(name), stored.revision);
          else await storage.replace(keyOf(name), stored.revision, widget(name, stored.revision));
          await clock.settle();
          lists.set(cache.revision, snapshot());
        }
        const [revision, list] = [...lists][at % lists.size]!;
        const state = new Map(list);
        const { events } = collect(cache.subscribe(revision));
        await clock.advance(50);
        for (const { type, stored, previous } of events) {
          expect(state.get(stored.key)).toBe(previous?.revision);
          if (type === "put") state.set(stored.key, stored.revision);
          else state.delete(stored.key);
        }
        expect(state).toEqual(snapshot());
        await cache.stop();
      },
    ),
    { numRuns: 60 },
  );
});

it("ends its watches and its waiters when it is stopped", async () => {
  const { cache, storage } = await setUp();
  const { ended } = collect(cache.subscribe(cache.revision));
  const waiting = cache.waitFor((await storage.currentRevision()) + 1).catch((error: unknown) => error);
  await cache.stop();
  expect(await ended).toBeUndefined();
  expect(await waiting).toBeInstanceOf(StorageUnavailableError);
});
