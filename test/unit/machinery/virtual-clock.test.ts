import { expect, it } from "vitest";
import { backoffMs } from "../../../machinery/backoff.ts";
import { sleep } from "../../../machinery/clock.ts";
import { seededRandom } from "../../../machinery/random.ts";
import { LivelockError, VirtualClock } from "../../../machinery/virtual-clock.ts";

it("fires timers by deadline, then in the order of scheduling", async () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  clock.schedule(20, () => fired.push("late"));
  clock.schedule(10, () => fired.push("a"));
  clock.schedule(10, () => fired.push("b"));
  await clock.advance(15);
  expect(fired).toEqual(["a", "b"]);
  expect(clock.nextTimerMs).toBe(5);
  await clock.advance(5);
  expect(fired).toEqual(["a", "b", "late"]);
});

it("runs every promise reaction before the next timer", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const worker = async (name: string, ms: number) => {
    await sleep(clock, ms);
    for (let i = 0; i < 50; i += 1) await Promise.resolve();
    seen.push(`${name}@${clock.monotonicMs()}`);
    await sleep(clock, 1);
    seen.push(`${name}@${clock.monotonicMs()}`);
  };
  const all = Promise.all([worker("a", 10), worker("b", 10), worker("c", 11)]);
  expect(await clock.runUntilIdle(1000)).toBe(true);
  await all;
  expect(seen).toEqual(["a@10", "b@10", "c@11", "a@11", "b@11", "c@12"]);
});

it("cancels: nothing fires, also when cancelled twice", async () => {
  const clock = new VirtualClock();
  let fired = 0;
  const cancel = clock.schedule(5, () => fired++);
  clock.schedule(5, () => fired++);
  cancel();
  cancel();
  await clock.advance(10);
  expect(fired).toBe(1);
  expect(clock.pending).toBe(0);
});

it("ends a run of periodic timers at the limit", async () => {
  const clock = new VirtualClock();
  let ticks = 0;
  const tick = () => {
    ticks += 1;
    clock.schedule(10, tick);
  };
  tick();
  expect(await clock.runUntilIdle(95)).toBe(false);
  expect(ticks).toBe(10);
  expect(clock.monotonicMs()).toBe(95);
});

it("lets the wall clock jump without moving deadlines", async () => {
  const clock = new VirtualClock(new Date("2026-01-01T00:00:00Z"));
  let fired = false;
  clock.schedule(1000, () => (fired = true));
  clock.jumpWallClock(3_600_000);
  await clock.advance(999);
  expect(fired).toBe(false);
  expect(clock.now().toISOString()).toBe("2026-01-01T01:00:00.999Z");
});

it("grows the back-off up to its limit and spreads it", () => {
  const policy = { baseMs: 100, maxMs: 5000 };
  const random = seededRandom(3);
  for (const [failures, base] of [
    [1, 100],
    [2, 200],
    [4, 800],
  ] as const) {
    const delay = backoffMs(policy, failures, random);
    expect(delay).toBeGreaterThanOrEqual(base * 0.8);
    expect(delay).toBeLessThanOrEqual(base * 1.2);
  }
  expect(backoffMs({ ...policy, jitter: 0 }, 5000, random)).toBe(5000);
  expect(backoffMs(policy, 60, random)).not.toBe(backoffMs(policy, 60, random));
  for (let i = 0; i < 100; i += 1) expect(backoffMs(policy, 60, random)).toBeLessThanOrEqual(5000);
});

it("lets time pass with every wait, however short", async () => {
  const clock = new VirtualClock();
  await clock.advance(35_404);
  let waits = 0;
  // The rest of a subtraction: added to the time as it is, it would not change it.
  const wait = () => {
    waits++;
    clock.schedule(3.6e-12, wait);
  };
  wait();
  await clock.advance(1);
  expect(waits).toBe(1001);
  expect(clock.monotonicMs()).toBe(35_405);
});

it("fails when timers fire for ever and no time passes", async () => {
  const clock = new VirtualClock();
  const again = () => void clock.schedule(0, again);
  again();
  await expect(clock.advance(1)).rejects.toThrow(LivelockError);
});
