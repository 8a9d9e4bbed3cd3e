import { beforeEach, describe, expect, it } from "vitest";
import { LEASES } from "../../../controllers/lease.ts";
import { fencedTransport, LeaderElector, NotLeaderError, type Term } from "../../../controllers/leader-election.ts";
import { RestClient } from "../../../client/rest.ts";
import type { Clock } from "../../../machinery/clock.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";
import { type Link, startWorld, type World } from "../in-process.ts";

const KEY = { namespace: "ferrite-system", name: "ferrite-controllers" };
let world: World;

beforeEach(async () => {
  world = await startWorld();
});

/** A process whose callbacks can be held back while the world's clock goes on: SIGSTOP, or a paused machine. */
class FreezableClock implements Clock {
  readonly #inner: Clock;
  #frozen = false;
  #held: (() => void)[] = [];
  /** What waits to fire: nothing when all has ended. */
  readonly timers = new Set<object>();

  constructor(inner: Clock) {
    this.#inner = inner;
  }
  now(): Date {
    return this.#inner.now();
  }
  monotonicMs(): number {
    return this.#inner.monotonicMs();
  }
  schedule(delayMs: number, callback: () => void): () => void {
    const token = {};
    this.timers.add(token);
    const fire = () => this.timers.delete(token) && callback();
    const cancel = this.#inner.schedule(delayMs, () => {
      if (this.#frozen) this.#held.push(fire);
      else fire();
    });
    return () => {
      this.timers.delete(token);
      cancel();
    };
  }
  freeze(): void {
    this.#frozen = true;
  }
  thaw(): void {
    this.#frozen = false;
    for (const callback of this.#held.splice(0)) callback();
  }
}

interface Candidate {
  readonly link: Link;
  readonly clock: FreezableClock;
  readonly log: string[];
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  term: Term | undefined;
}

/** All candidates that lead in this moment: never more than one. */
const leading = new Set<Candidate>();

function candidate(identity: string, seed: number): Candidate {
  const link = world.link();
  const clock = new FreezableClock(world.clock);
  const stop = new AbortController();
  const elector = new LeaderElector({
    client: world.client(link, clock),
    clock,
    random: seededRandom(seed),
    log: silentLogger,
    ...KEY,
    identity,
  });
  const self: Candidate = { link, clock, stop, elector, log: [], term: undefined, ended: Promise.resolve() };
  const ended = elector.run(async (term) => {
    self.term = term;
    self.log.push(`leads@${world.clock.monotonicMs()}`);
    leading.add(self);
    expect([...leading].filter((each) => each.term?.isLeading())).toHaveLength(1);
    await new Promise<void>((resolve) => {
      if (term.signal.aborted) resolve();
      term.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    leading.delete(self);
    self.log.push(`ends@${world.clock.monotonicMs()}`);
  }, stop.signal);
  return Object.assign(self, { ended });
}

const leads = (one: Candidate) => one.term?.isLeading() === true;
const holder = async () => (await world.client().get(LEASES, KEY)).spec?.holderIdentity;

async function settleAt(ms: number): Promise<void> {
  await world.clock.advance(ms);
}

async function end(...candidates: Candidate[]): Promise<void> {
  for (const each of candidates) {
    each.link.mend();
    each.clock.thaw();
    each.stop.abort();
  }
  await world.clock.advance(30_000);
  await Promise.all(candidates.map((each) => each.ended));
  for (const each of candidates) expect(each.clock.timers.size).toBe(0);
}

it("lets one of two lead, for as long as it renews", async () => {
  const [a, b] = [candidate("a", 1), candidate("b", 2)];
  await settleAt(120_000);
  expect([leads(a), leads(b)].filter(Boolean)).toHaveLength(1);
  expect(a.log.length + b.log.length).toBe(1);
  const lease = await world.client().get(LEASES, KEY);
  expect(lease.spec).toMatchObject({ leaseDurationSeconds: 6, leaseTransitions: 0 });
  expect(lease.spec?.holderIdentity).toBe(leads(a) ? "a" : "b");
  await end(a, b);
});

it("gives the Lease back at shutdown, so that the next one needs not wait", async () => {
  const a = candidate("a", 1);
  await settleAt(5000);
  const b = candidate("b", 2);
  await settleAt(2000);
  a.stop.abort();
  await settleAt(1300);
  expect(await holder()).toBe("b");
  expect(leads(b)).toBe(true);
  expect((await world.client().get(LEASES, KEY)).spec?.leaseTransitions).toBe(1);
  await end(a, b);
});

describe("a leader that is cut off", () => {
  it.each(["cut", "hang"] as const)("stops before the other starts (%s)", async (how) => {
    const a = candidate("a", 1);
    await settleAt(10_000);
    const b = candidate("b", 2);
    await settleAt(5000);
    expect(leads(a)).toBe(true);
    a.link[how]();
    const lost = world.clock.monotonicMs();
    await settleAt(15_000);
    expect([leads(a), leads(b)]).toEqual([false, true]);
    const ended = Number(a.log[1]?.split("@")[1]);
    const began = Number(b.log[0]?.split("@")[1]);
    expect(ended - lost).toBeLessThanOrEqual(4000);
    expect(began).toBeGreaterThan(ended + 1000);
    expect(began - lost).toBeLessThan(8500);
    a.link.mend();
    await settleAt(20_000);
    expect([leads(a), leads(b)]).toEqual([false, true]);
    await end(a, b);
  });
});

it("a leader that is frozen does not lead any more when it wakes up, not even before its timers run", async () => {
  const a = candidate("a", 1);
  await settleAt(10_000);
  const b = candidate("b", 2);
  await settleAt(3000);
  expect(leads(a)).toBe(true);
  const fenced = new RestClient({
    transport: fencedTransport(a.link.transport, () => a.term!.isLeading()),
    clock: world.clock,
  });
  await fenced.patch(LEASES, KEY, { kind: "merge", body: { metadata: { labels: { by: "a" } } } });
  a.clock.freeze();
  await settleAt(15_000);
  expect(leads(b)).toBe(true);
  // Its signal could not fire yet, but the clock already says no.
  expect(a.term!.signal.aborted).toBe(false);
  expect(leads(a)).toBe(false);
  const write = fenced.patch(LEASES, KEY, { kind: "merge", body: { metadata: { labels: { by: "zombie" } } } });
  await expect(write).rejects.toThrow(NotLeaderError);
  await expect(fenced.get(LEASES, KEY)).resolves.toMatchObject({ spec: { holderIdentity: "b" } });
  a.clock.thaw();
  await settleAt(10_000);
  expect(a.term!.signal.aborted).toBe(true);
  expect([leads(a), leads(b)]).toEqual([false, true]);
  await end(a, b);
});

it("waits a full Lease for one that it sees for the first time, however old its time looks", async () => {
  const spec = { holderIdentity: "dead", leaseDurationSeconds: 6, renewTime: "2001-01-01T00:00:00.000000Z" };
  await world.client().create(LEASES, { metadata: KEY, spec });
  const a = candidate("a", 1);
  await settleAt(5900);
  expect(a.log).toEqual([]);
  await settleAt(2000);
  expect(leads(a)).toBe(true);
  await end(a);
});

it("is not moved by a wall clock that jumps", async () => {
  const [a, b] = [candidate("a", 1), candidate("b", 2)];
  await settleAt(3000);
  const first = [leads(a), leads(b)];
  for (const jump of [86_400_000, -172_800_000, 3_600_000]) {
    world.clock.jumpWallClock(jump);
    await settleAt(7000);
  }
  expect([leads(a), leads(b)]).toEqual(first);
  expect(a.log.length + b.log.length).toBe(1);
  await end(a, b);
});

it("stops as soon as it sees that another holds the Lease", async () => {
  const a = candidate("a", 1);
  await settleAt(3000);
  const lease = await world.client().get(LEASES, KEY);
  await world.client().update(LEASES, { ...lease, spec: { ...lease.spec, holderIdentity: "thief" } });
  await settleAt(1200);
  expect(leads(a)).toBe(false);
  await end(a);
});

it("leads again after an interruption of the API", async () => {
  const a = candidate("a", 1);
  await settleAt(5000);
  a.link.cut();
  await settleAt(20_000);
  expect(leads(a)).toBe(false);
  a.link.mend();
  await settleAt(3000);
  expect(leads(a)).toBe(true);
  await end(a);
});

it("refuses times that would let two lead", () => {
  const options = {
    client: world.client(),
    clock: world.clock,
    random: seededRandom(1),
    log: silentLogger,
    ...KEY,
    identity: "a",
  };
  expect(() => new LeaderElector({ ...options, renewDeadlineMs: 6000 })).toThrow(RangeError);
});
