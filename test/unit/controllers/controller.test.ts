import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, it } from "vitest";
import { ApiStatusError } from "../../../client/errors.ts";
import { Controller, type ControllerOptions } from "../../../controllers/controller.ts";
import { sleep } from "../../../machinery/clock.ts";
import { TerminalError } from "../../../machinery/errors.ts";
import { seededRandom } from "../../../machinery/random.ts";
import { done, requeueAfter } from "../../../machinery/result.ts";
import { VirtualClock } from "../../../machinery/virtual-clock.ts";

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly key?: string;
  readonly controller?: string;
  readonly reconcileId?: string;
  readonly err?: { readonly message: string };
}

function setUp(reconcile: ControllerOptions["reconcile"], options: Partial<ControllerOptions> = {}) {
  const clock = new VirtualClock();
  const lines: LogLine[] = [];
  const sink = new Writable({
    write(chunk, _, callback) {
      lines.push(JSON.parse(String(chunk)));
      callback();
    },
  });
  const passes: string[] = [];
  const controller = new Controller({
    name: "test",
    clock,
    random: seededRandom(1),
    log: pino({ level: "info", base: {} }, sink),
    backoff: { baseMs: 100, maxMs: 1000, jitter: 0 },
    reconcile: (context, request) => {
      passes.push(`${request.namespace}/${request.name}@${clock.monotonicMs()}`);
      return reconcile(context, request);
    },
    ...options,
  });
  controller.start();
  return { clock, controller, lines, passes };
}

const a = { namespace: "ns", name: "a" };

it("logs nothing for a pass that changes nothing", async () => {
  const { clock, controller, lines, passes } = setUp(async () => done);
  controller.enqueue(a);
  await clock.advance(60_000);
  expect(passes).toEqual(["ns/a@0"]);
  expect(lines).toEqual([]);
});

it("looks again when it is told to, at the earliest time", async () => {
  let asked = 0;
  const { clock, controller, passes } = setUp(async () => (asked++ === 0 ? requeueAfter(500, "because") : done));
  controller.enqueue(a);
  await clock.advance(60_000);
  expect(passes).toEqual(["ns/a@0", "ns/a@500"]);
});

it("backs off after errors, logs them with key and id, and starts over after a success", async () => {
  let failures = 3;
  const { clock, controller, lines, passes } = setUp(async () => {
    if (failures-- > 0) throw new ApiStatusError({ code: 503, reason: "ServiceUnavailable", message: "down" });
    return done;
  });
  controller.enqueue(a);
  await clock.advance(10_000);
  expect(passes).toEqual(["ns/a@0", "ns/a@100", "ns/a@300", "ns/a@700"]);
  expect(lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual(Array(3).fill("40 pass failed"));
  expect(lines[0]).toMatchObject({ controller: "test", key: "ns/a", err: { message: "down" } });
  expect(new Set(lines.map((line) => line.reconcileId)).size).toBe(3);
  failures = 1;
  controller.enqueue(a);
  await clock.advance(10_000);
  expect(passes.slice(4)).toEqual(["ns/a@10000", "ns/a@10100"]);
});

it("waits as long as the server asks", async () => {
  let failures = 1;
  const { clock, controller, passes } = setUp(async () => {
    if (failures-- > 0)
      throw new ApiStatusError({ code: 429, reason: "TooManyRequests", message: "slow", retryAfterMs: 7000 });
    return done;
  });
  controller.enqueue(a);
  await clock.advance(10_000);
  expect(passes).toEqual(["ns/a@0", "ns/a@7000"]);
});

it("gives up on a terminal error until the object changes", async () => {
  const { clock, controller, lines, passes } = setUp(async () => {
    throw new TerminalError("ShrinkRefused", "no");
  });
  controller.enqueue(a);
  await clock.advance(600_000);
  expect(passes).toHaveLength(1);
  expect(lines.map(({ level }) => level)).toEqual([50]);
  controller.enqueue(a);
  await clock.advance(1000);
  expect(passes).toHaveLength(2);
});

it("calls an error that nobody threw on purpose an error, and tries again", async () => {
  let failures = 1;
  const { clock, controller, lines, passes } = setUp(async () => {
    if (failures-- > 0) throw new TypeError("undefined is not a function");
    return done;
  });
  controller.enqueue(a);
  await clock.advance(1000);
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([[50, "pass failed with an unexpected error"]]);
  expect(passes).toHaveLength(2);
});

it("keeps quiet about lost races until they repeat", async () => {
  let failures = 3;
  const { clock, controller, lines } = setUp(async () => {
    if (failures-- > 0) throw new ApiStatusError({ code: 409, reason: "Conflict", message: "changed" });
    return done;
  });
  controller.enqueue(a);
  await clock.advance(10_000);
  expect(lines).toHaveLength(1);
});

it("fires the signal of a pass that takes too long, and never runs two passes of one object", async () => {
  let running = 0;
  const { clock, controller, lines, passes } = setUp(
    async ({ signal }) => {
      running += 1;
      expect(running).toBe(1);
      await sleep(clock, 60_000, signal).finally(() => (running -= 1));
      return done;
    },
    { passTimeoutMs: 1000 },
  );
  controller.enqueue(a);
  await clock.advance(500);
  controller.enqueue(a);
  await clock.advance(1000);
  expect(passes).toEqual(["ns/a@0", "ns/a@1000"]);
  expect(lines[0]?.err?.message).toContain("test ns/a: no end after 1000 ms");
});

it("stops: aborts what runs, forgets what waits, and leaves no timer", async () => {
  const { clock, controller, lines, passes } = setUp(async ({ signal }) => {
    await sleep(clock, 5000, signal);
    return requeueAfter(10, "again");
  });
  controller.enqueue(a);
  controller.enqueue({ namespace: "ns", name: "b" });
  await clock.advance(100);
  const stopped = controller.stop();
  controller.enqueue({ namespace: "ns", name: "c" });
  await clock.settle();
  await stopped;
  expect(passes).toEqual(["ns/a@0"]);
  expect(lines).toEqual([]);
  expect(clock.pending).toBe(0);
});
