import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ExpiredError,
  FutureRevisionError,
  KeyExistsError,
  RevisionMismatchError,
  StorageUnavailableError,
} from "../../apiserver/storage/errors.ts";
import type { Storage, StorageEvent } from "../../apiserver/storage/types.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";

export interface StorageSubject {
  /** Empty below `/registry/`. */
  readonly storage: Storage;
  /** The clock by which keys expire. */
  readonly clock: Clock;
  /** Lets time pass where it does not by itself. */
  pass(seconds: number): Promise<void>;
}

const PREFIX = "/registry/example.com/widgets/";
const keyOf = (name: string) => `${PREFIX}default/${name}`;

function widget(name: string, size = 1): KubeObject {
  return { apiVersion: "example.com/v1", kind: "Widget", metadata: { name, namespace: "default" }, spec: { size } };
}

/** The next `count` changes of a watch, without progress events; ends the watch. */
async function take(storage: Storage, afterRevision: number, count: number, prefix = PREFIX) {
  const stop = new AbortController();
  const changes: Exclude<StorageEvent, { type: "progress" }>[] = [];
  if (count > 0) {
    for await (const event of storage.watch(prefix, afterRevision, stop.signal)) {
      if (event.type === "progress") continue;
      changes.push(event);
      if (changes.length === count) break;
    }
  }
  stop.abort();
  return changes;
}

const brief = (event: StorageEvent) =>
  event.type === "progress"
    ? `progress ${event.revision}`
    : `${event.type} ${event.stored.object.metadata.name}@${event.stored.revision}`;

/** What every Storage does, whatever is behind it. */
export function describeStorage(name: string, open: () => Promise<StorageSubject>): void {
  describe(`storage on ${name}`, () => {
    let subject: StorageSubject;
    let storage: Storage;
    beforeEach(async () => {
      subject = await open();
      storage = subject.storage;
    });
    afterEach(() => storage.close());

    describe("reads and writes", () => {
      it("reads back what was created, with its revision as resourceVersion", async () => {
        const created = await storage.create(keyOf("a"), widget("a"));
        const { stored, revision } = await storage.get(keyOf("a"));
        expect(stored?.object).toEqual({
          ...widget("a"),
          metadata: { name: "a", namespace: "default", resourceVersion: String(created.revision) },
        });
        expect(created.object).toEqual(stored?.object);
        expect(revision).toBe(created.revision);
        expect(stored?.value).toBe(created.value);
        expect(stored?.value).not.toContain("resourceVersion");
      });

      it("says at which revision a key is absent", async () => {
        const { revision } = await storage.create(keyOf("a"), widget("a"));
        expect(await storage.get(keyOf("b"))).toEqual({ stored: undefined, revision });
      });

      it("does not store a resourceVersion that the caller left in", async () => {
        const object = widget("a");
        object.metadata.resourceVersion = "999";
        const created = await storage.create(keyOf("a"), object);
        expect(created.object.metadata.resourceVersion).toBe(String(created.revision));
        expect(created.value).not.toContain("999");
      });

      it("refuses to create over what is there", async () => {
        const created = await storage.create(keyOf("a"), widget("a"));
        await expect(storage.create(keyOf("a"), widget("a", 2))).rejects.toThrow(KeyExistsError);
        expect((await storage.get(keyOf("a"))).stored?.revision).toBe(created.revision);
      });

      it("lets one of many concurrent creates win", async () => {
        const results = await Promise.allSettled(
          Array.from({ length: 8 }, (_, size) => storage.create(keyOf("a"), widget("a", size))),
        );
        const losers = results.filter((result) => result.status === "rejected");
        expect(losers).toHaveLength(7);
        for (const loser of losers) expect(loser.reason).toBeInstanceOf(KeyExistsError);
      });

      it("replaces at the expected revision, and one of many concurrent writers wins", async () => {
        const created = await storage.create(keyOf("a"), widget("a"));
        const results = await Promise.allSettled(
          [2, 3, 4].map((size) => storage.replace(keyOf("a"), created.revision, widget("a", size))),
        );
        const won = results.filter((result) => result.status === "fulfilled").map(({ value }) => value);
        expect(won).toHaveLength(1);
        expect(won[0]?.revision).toBeGreaterThan(created.revision);
        for (const result of results) {
          if (result.status === "fulfilled") continue;
          expect(result.reason).toBeInstanceOf(RevisionMismatchError);
          expect(result.reason.current.object).toEqual(won[0]?.object);
        }
        expect((await storage.get(keyOf("a"))).stored?.object).toEqual(won[0]?.object);
      });

      it("refuses to replace or delete what is gone, and says so", async () => {
        const created = await storage.create(keyOf("a"), widget("a"));
        await storage.delete(keyOf("a"), created.revision);
        const refused = { key: keyOf("a"), current: undefined };
        await expect(storage.replace(keyOf("a"), created.revision, widget("a"))).rejects.toMatchObject(refused);
        await expect(storage.delete(keyOf("a"), created.revision)).rejects.toMatchObject(refused);
        await expect(storage.delete(keyOf("a"), created.revision)).rejects.toThrow(RevisionMismatchError);
        expect((await storage.get(keyOf("a"))).stored).toBeUndefined();
      });

      it("never takes revision 0 for an absent key", async () => {
        await expect(storage.replace(keyOf("a"), 0, widget("a"))).rejects.toThrow(RevisionMismatchError);
        await expect(storage.delete(keyOf("a"), 0)).rejects.toThrow(RevisionMismatchError);
        expect((await storage.get(keyOf("a"))).stored).toBeUndefined();
      });

      it("gives the last state of what it deleted, at the revision of the delete", async () => {
        const created = await storage.create(keyOf("a"), widget("a", 7));
        const deleted = await storage.delete(keyOf("a"), created.revision);
        expect(deleted.revision).toBe(await storage.currentRevision());
        expect(deleted.revision).toBeGreaterThan(created.revision);
        expect(deleted.object).toEqual({
          ...created.object,
          metadata: { ...created.object.metadata, resourceVersion: String(deleted.revision) },
        });
        expect((await storage.get(keyOf("a"))).stored).toBeUndefined();
      });

      it("refuses to delete what has changed since, with what is there", async () => {
        const created = await storage.create(keyOf("a"), widget("a"));
        const replaced = await storage.replace(keyOf("a"), created.revision, widget("a", 2));
        const refusal = await storage.delete(keyOf("a"), created.revision).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(RevisionMismatchError);
        expect((refusal as RevisionMismatchError).current?.object).toEqual(replaced.object);
        expect((await storage.get(keyOf("a"))).stored?.revision).toBe(replaced.revision);
      });

      it("keeps hostile text as it is", async () => {
        const object = { ...widget("a"), data: { '"\\\u0000\ud83d\ude00\u2028': "ä\n\t</script>", __proto__x: "1" } };
        await storage.create(keyOf("a"), object);
        expect((await storage.get(keyOf("a"))).stored?.object["data"]).toEqual(object.data);
      });
    });

    describe("lists", () => {
      const names = ["a", "b", "c", "d", "e"];
      const fill = async () => {
        for (const each of names) await storage.create(keyOf(each), widget(each));
      };

      it("pages in key order, all pages at the first page's revision", async () => {
        await fill();
        const first = await storage.list(PREFIX, { limit: 2 });
        expect(first.items.map(({ key }) => key)).toEqual([keyOf("a"), keyOf("b")]);
        expect(first).toMatchObject({ more: true, remaining: 3, revision: await storage.currentRevision() });
        const [, b] = first.items;
        await storage.replace(keyOf("d"), (await storage.get(keyOf("d"))).stored!.revision, widget("d", 99));
        await storage.delete(keyOf("c"), (await storage.get(keyOf("c"))).stored!.revision);
        await storage.create(keyOf("bb"), widget("bb"));
        const second = await storage.list(PREFIX, { limit: 2, after: b!.key, revision: first.revision });
        expect(second).toMatchObject({ more: true, remaining: 1, revision: first.revision });
        expect(second.items.map(({ object }) => [object.metadata.name, object["spec"]])).toEqual([
          ["c", { size: 1 }],
          ["d", { size: 1 }],
        ]);
        const third = await storage.list(PREFIX, { limit: 2, after: keyOf("d"), revision: first.revision });
        expect(third).toMatchObject({ more: false, remaining: 0 });
        expect(third.items).toHaveLength(1);
      });

      it("sees its own writes, and only its prefix", async () => {
        await fill();
        await storage.create("/registry/example.com/widgetsx/default/a", widget("other"));
        await storage.create("/registry/example.com/widget", widget("other"));
        const { items } = await storage.list(PREFIX, { limit: 100 });
        expect(items.map(({ object }) => object.metadata.name)).toEqual(names);
      });

      it("is empty, with a revision, where nothing is", async () => {
        const { revision } = await storage.create(keyOf("a"), widget("a"));
        expect(await storage.list("/registry/none/", { limit: 5 })).toEqual({
          items: [],
          revision,
          more: false,
          remaining: 0,
        });
      });

      it("says that a revision is too old, or not there yet", async () => {
        await fill();
        const revision = await storage.currentRevision();
        await storage.compact(revision - 1);
        await expect(storage.list(PREFIX, { limit: 2, revision: revision - 2 })).rejects.toThrow(ExpiredError);
        await expect(storage.list(PREFIX, { limit: 2, revision: revision - 2 })).rejects.toMatchObject({
          requested: revision - 2,
          compactRevision: revision - 1,
        });
        expect((await storage.list(PREFIX, { limit: 9, revision: revision - 1 })).items).toHaveLength(4);
        await expect(storage.list(PREFIX, { limit: 2, revision: revision + 1 })).rejects.toThrow(FutureRevisionError);
      });

      it("refuses a page without items", async () => {
        await expect(storage.list(PREFIX, { limit: 0 })).rejects.toThrow(RangeError);
      });
    });

    describe("watches", () => {
      it("replays what came after the revision, then follows, in order, with the state before", async () => {
        const a1 = await storage.create(keyOf("a"), widget("a", 1));
        const watching = take(storage, a1.revision - 1, 5);
        const a2 = await storage.replace(keyOf("a"), a1.revision, widget("a", 2));
        const b1 = await storage.create(keyOf("b"), widget("b"));
        const a3 = await storage.delete(keyOf("a"), a2.revision);
        const a4 = await storage.create(keyOf("a"), widget("a", 4));
        const events = await watching;
        expect(events.map(brief)).toEqual([
          `put a@${a1.revision}`,
          `put a@${a2.revision}`,
          `put b@${b1.revision}`,
          `delete a@${a3.revision}`,
          `put a@${a4.revision}`,
        ]);
        expect(events.map(({ previous }) => previous?.revision)).toEqual([
          undefined,
          a1.revision,
          undefined,
          a2.revision,
          undefined,
        ]);
        expect(events[3]?.stored.object).toEqual(a3.object);
        expect(events[3]?.previous?.object).toEqual(a2.object);
      });

      it("starts strictly after its revision", async () => {
        const a = await storage.create(keyOf("a"), widget("a"));
        const b = await storage.create(keyOf("b"), widget("b"));
        expect((await take(storage, a.revision, 1)).map(brief)).toEqual([`put b@${b.revision}`]);
      });

      it("waits for a revision in the future", async () => {
        const now = await storage.currentRevision();
        const watching = take(storage, now + 2, 1);
        await storage.create(keyOf("a"), widget("a"));
        await storage.create(keyOf("b"), widget("b"));
        const c = await storage.create(keyOf("c"), widget("c"));
        expect((await watching).map(brief)).toEqual([`put c@${c.revision}`]);
      });

      it("gives all watchers the same events in the same order", async () => {
        const revision = await storage.currentRevision();
        const watchers = Array.from({ length: 5 }, () => take(storage, revision, 20));
        await Promise.all(Array.from({ length: 20 }, (_, n) => storage.create(keyOf(`n${n}`), widget(`n${n}`))));
        const [first, ...others] = (await Promise.all(watchers)).map((events) => events.map(brief));
        expect(new Set(first).size).toBe(20);
        for (const other of others) expect(other).toEqual(first);
      });

      it("sees only its prefix", async () => {
        const revision = await storage.currentRevision();
        await storage.create("/registry/example.com/gadgets/default/a", widget("gadget"));
        const b = await storage.create(keyOf("b"), widget("b"));
        expect((await take(storage, revision, 1)).map(brief)).toEqual([`put b@${b.revision}`]);
      });

      it("ends when it is aborted, also before it began", async () => {
        const stop = new AbortController();
        const iterator = storage.watch(PREFIX, await storage.currentRevision(), stop.signal)[Symbol.asyncIterator]();
        const next = iterator.next();
        stop.abort();
        expect(await next).toEqual({ done: true, value: undefined });
        const late = storage.watch(PREFIX, 1, stop.signal)[Symbol.asyncIterator]();
        expect(await late.next()).toEqual({ done: true, value: undefined });
      });

      it("reports progress up to what other keys have written", async () => {
        const { revision: start } = await storage.create(keyOf("a"), widget("a"));
        const { revision: target } = await storage.create("/registry/other/x", widget("x"));
        const stop = new AbortController();
        const watch = storage.watch(PREFIX, start, stop.signal);
        const ask = setInterval(() => watch.requestProgress(), 5);
        for await (const event of watch) {
          expect(event.type).toBe("progress");
          if (event.type === "progress" && event.revision >= target) break;
        }
        clearInterval(ask);
        stop.abort();
      });

      it("refuses to start where events are compacted, and starts right behind them", async () => {
        const a = await storage.create(keyOf("a"), widget("a"));
        const gone = await storage.delete(keyOf("a"), a.revision);
        const b = await storage.create(keyOf("b"), widget("b"));
        await storage.compact(gone.revision);
        for (const revision of [a.revision - 1, a.revision, gone.revision - 1]) {
          await expect(take(storage, revision, 1)).rejects.toThrow(ExpiredError);
          await expect(take(storage, revision, 1)).rejects.toMatchObject({ compactRevision: gone.revision });
        }
        expect((await take(storage, gone.revision, 1)).map(brief)).toEqual([`put b@${b.revision}`]);
      });

      it("ends when the store is closed", async () => {
        const watching = take(storage, await storage.currentRevision(), 1).catch((error: unknown) => error);
        await storage.close();
        const outcome = await watching;
        if (!Array.isArray(outcome)) expect(outcome).toBeInstanceOf(StorageUnavailableError);
        else expect(outcome).toEqual([]);
      });
    });

    describe("compaction", () => {
      it("keeps the current state, may be repeated, and refuses the future", async () => {
        const a = await storage.create(keyOf("a"), widget("a"));
        await storage.compact(a.revision);
        await storage.compact(a.revision);
        await storage.compact(a.revision - 1);
        expect((await storage.get(keyOf("a"))).stored?.revision).toBe(a.revision);
        await expect(storage.compact(a.revision + 1000)).rejects.toThrow(FutureRevisionError);
      });
    });

    describe("time to live", () => {
      it("deletes a key after its time, not before, and tells watchers the last state", async () => {
        const bornMs = subject.clock.monotonicMs();
        const created = await storage.create(keyOf("a"), widget("a", 7), { ttlSeconds: 1 });
        const watching = take(storage, created.revision, 1).then((events) => ({
          events,
          ageMs: subject.clock.monotonicMs() - bornMs,
        }));
        await subject.pass(10);
        const { events, ageMs } = await watching;
        expect(events[0]).toMatchObject({ type: "delete", stored: { key: keyOf("a") } });
        expect(events[0]?.stored.object["spec"]).toEqual({ size: 7 });
        expect(ageMs).toBeGreaterThanOrEqual(1000);
        expect((await storage.get(keyOf("a"))).stored).toBeUndefined();
      });

      it("forgets the time to live when the object is replaced without one", async () => {
        const created = await storage.create(keyOf("a"), widget("a"), { ttlSeconds: 1 });
        await storage.replace(keyOf("a"), created.revision, widget("a", 2));
        const mortal = await storage.create(keyOf("z"), widget("z"), { ttlSeconds: 1 });
        const watching = take(storage, mortal.revision, 1);
        await subject.pass(10);
        expect((await watching)[0]?.stored.key).toBe(keyOf("z"));
        expect((await storage.get(keyOf("a"))).stored?.object["spec"]).toEqual({ size: 2 });
      });
    });

    it("refuses everything once it is closed", async () => {
      await storage.close();
      await expect(storage.get(keyOf("a"))).rejects.toThrow(StorageUnavailableError);
      await expect(storage.create(keyOf("a"), widget("a"))).rejects.toMatchObject({ applied: "no" });
      await expect(storage.currentRevision()).rejects.toThrow(StorageUnavailableError);
    });
  });
}
