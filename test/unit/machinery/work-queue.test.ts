import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WorkQueue } from "../../../machinery/work-queue.ts";
import { sleep } from "../../../machinery/clock.ts";
import { seededRandom } from "../../../machinery/random.ts";
import { VirtualClock } from "../../../machinery/virtual-clock.ts";

function setUp(options: { concurrency?: number; workMs?: number } = {}) {
  const clock = new VirtualClock();
  const log: string[] = [];
  const running = new Set<string>();
  const queue = new WorkQueue({
    clock,
    random: seededRandom(1),
    concurrency: options.concurrency ?? 2,
    backoff: { baseMs: 100, maxMs: 1000, jitter: 0 },
    work: async (key) => {
      expect(running.has(key)).toBe(false);
      running.add(key);
      log.push(`${key}@${clock.monotonicMs()}`);
      await sleep(clock, options.workMs ?? 10);
      running.delete(key);
    },
  });
  return { clock, log, queue, running };
}

it("works once on a key that is added many times before its turn", async () => {
  const { clock, log, queue } = setUp();
  for (const key of ["a", "b", "a", "a", "b"]) queue.add(key);
  expect(queue.length).toBe(2);
  queue.start();
  await clock.runUntilIdle(1000);
  expect(log).toEqual(["a@0", "b@0"]);
});

it("works once more, and afterwards, on a key that is added while it is worked on", async () => {
  const { clock, log, queue } = setUp();
  queue.start();
  queue.add("a");
  await clock.advance(5);
  for (let i = 0; i < 3; i += 1) queue.add("a");
  await clock.runUntilIdle(1000);
  expect(log).toEqual(["a@0", "a@10"]);
});

it("never works on more keys than it may", async () => {
  const { clock, log, queue } = setUp({ concurrency: 2 });
  queue.start();
  for (const key of ["a", "b", "c", "d", "e"]) queue.add(key);
  await clock.runUntilIdle(1000);
  expect(log).toEqual(["a@0", "b@0", "c@10", "d@10", "e@20"]);
});

it.each([
  { name: "the earlier of two delays", delays: [500, 200], at: [200] },
  { name: "the earlier of two delays, whatever their order", delays: [200, 500], at: [200] },
  { name: "no delay for zero", delays: [0], at: [0] },
  { name: "no delay for a negative one", delays: [-5], at: [0] },
])("addAfter keeps $name", async ({ delays, at }) => {
  const { clock, log, queue } = setUp();
  queue.start();
  for (const delay of delays) queue.addAfter("a", delay);
  await clock.runUntilIdle(10_000);
  expect(log).toEqual(at.map((ms) => `a@${ms}`));
});

it("takes a new delay once the old one has fired, and keeps a delay across an immediate addition", async () => {
  const { clock, log, queue } = setUp();
  queue.start();
  queue.addAfter("a", 100);
  queue.add("a");
  await clock.advance(150);
  queue.addAfter("a", 100);
  await clock.runUntilIdle(1000);
  expect(log).toEqual(["a@0", "a@100", "a@250"]);
});

it("doubles the delay for each failure of a key, up to the limit, until it is forgotten", () => {
  const { queue } = setUp();
  expect([1, 2, 3, 4, 5, 6].map(() => queue.addRateLimited("a"))).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(queue.addRateLimited("b")).toBe(100);
  queue.forget("a");
  expect(queue.failures("a")).toBe(0);
  expect(queue.addRateLimited("a", 5000)).toBe(5000);
});

describe("shutDown", () => {
  it("waits for what runs and for what waits, drops what is delayed, and takes nothing more in", async () => {
    const { clock, log, queue, running } = setUp({ concurrency: 1 });
    queue.start();
    queue.add("a");
    queue.add("b");
    queue.addAfter("c", 5);
    await clock.settle();
    let ended = false;
    const end = queue.shutDown().then(() => {
      ended = true;
    });
    queue.add("d");
    queue.add("a");
    queue.addAfter("e", 1);
    await clock.advance(15);
    expect(ended).toBe(false);
    expect(running.size).toBe(1);
    await clock.runUntilIdle(1000);
    await end;
    expect(log).toEqual(["a@0", "b@10"]);
    expect(clock.pending).toBe(0);
  });

  it("ends at once when nothing was ever started", async () => {
    await setUp().queue.shutDown();
  });
});

/** The model of a queue: when each key fell or falls due, by its definition and without any queue. */
class DueTimes {
  readonly due = new Map<string, number[]>();
  readonly #pending = new Map<string, number>();

  add(key: string, atMs: number): void {
    this.due.set(key, [...(this.due.get(key) ?? []), atMs]);
  }

  addAfter(key: string, nowMs: number, delayMs: number): void {
    if (delayMs <= 0) return this.add(key, nowMs);
    const atMs = nowMs + delayMs;
    const pending = this.#pending.get(key);
    if (pending !== undefined && pending > nowMs) {
      if (pending <= atMs) return;
      this.due.get(key)?.splice(this.due.get(key)!.lastIndexOf(pending), 1);
    }
    this.#pending.set(key, atMs);
    this.add(key, atMs);
  }
}

it("agrees with its model: no addition lost, no work without one, one at a time for a key (any history)", async () => {
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    kind: fc.constantFrom("add", "after", "limited", "forget", "advance"),
    ms: fc.integer({ min: 0, max: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, concurrency) => {
      const clock = new VirtualClock();
      const model = new DueTimes();
      const starts: { key: string; atMs: number }[] = [];
      const running = new Set<string>();
      const queue = new WorkQueue({
        clock,
        random: seededRandom(steps.length),
        concurrency,
        backoff: { baseMs: 10, maxMs: 40, jitter: 0 },
        work: async (key) => {
          expect(running.has(key)).toBe(false);
          expect(running.size).toBeLessThan(concurrency);
          starts.push({ key, atMs: clock.monotonicMs() });
          running.add(key);
          await sleep(clock, 7);
          running.delete(key);
        },
      });
      queue.start();
      for (const { kind, key, ms } of steps) {
        const nowMs = clock.monotonicMs();
        if (kind === "add") {
          model.add(key, nowMs);
          queue.add(key);
        } else if (kind === "after") {
          model.addAfter(key, nowMs, ms);
          queue.addAfter(key, ms);
        } else if (kind === "limited") model.addAfter(key, nowMs, queue.addRateLimited(key));
        else if (kind === "forget") queue.forget(key);
        else await clock.advance(ms);
      }
      expect(await clock.runUntilIdle(100_000)).toBe(true);
      for (const key of ["a", "b", "c"]) {
        const due = model.due.get(key) ?? [];
        const began = starts.filter((start) => start.key === key).map((start) => start.atMs);
        for (const atMs of due) expect(began.some((start) => start >= atMs)).toBe(true);
        for (const [i, start] of began.entries()) {
          const previous = began[i - 1] ?? 0;
          expect(due.some((atMs) => atMs >= previous && atMs <= start)).toBe(true);
        }
      }
      await queue.shutDown();
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 300 },
  );
});
