import { expect, it } from "vitest";
import { Reflector, type Sight } from "../../../client/reflector.ts";
import { LEASES } from "../../../controllers/lease.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";
import { startWorld } from "../in-process.ts";

const KEY = { namespace: "ferrite-system", name: "host-alpha" };

/** Follows the Leases of the real server for ten minutes and more, on its virtual clock. */
async function follow() {
  const world = await startWorld();
  await world.client().create(LEASES, { metadata: KEY, spec: { holderIdentity: "alpha" } });
  const link = world.link();
  const stop = new AbortController();
  const reflector = new Reflector({
    client: world.client(link),
    type: LEASES,
    clock: world.clock,
    random: seededRandom(1),
    log: silentLogger,
  });
  const sights: string[] = [];
  reflector.onSight((sight: Sight) => {
    if (sights.at(-1) !== sight.kind) sights.push(sight.kind);
  });
  const running = reflector.run(stop.signal);
  await world.clock.advance(100);
  const watches = () => link.asked.filter((line) => line.includes("watch=true"));
  const end = async () => {
    link.mend();
    stop.abort();
    await world.clock.settle();
    await running;
  };
  return { world, link, reflector, sights, watches, end };
}

it("goes on seeing when the server ends its watches as usual", async () => {
  const { world, link, reflector, sights, watches, end } = await follow();
  await world.clock.advance(3_600_000);
  expect(watches().length).toBeGreaterThan(6);
  expect(watches().length).toBeLessThan(14);
  expect(sights).toEqual(["blind", "synced"]);
  expect(reflector.cache.size).toBe(1);
  // It lists once, and goes on from bookmarks though nothing happens.
  expect(link.asked.filter((line) => line.includes("sendInitialEvents"))).toHaveLength(1);
  await end();
});

it("says soon that it is blind when the watch after the last one is not answered", async () => {
  const { world, link, reflector, watches, end } = await follow();
  const first = watches().length;
  for (let i = 0; i < 700 && watches().length === first; i += 1) {
    // The server ends the watch; whoever asks again from now on hears nothing.
    link.hangNew();
    await world.clock.advance(1000);
  }
  await world.clock.advance(2000);
  expect(watches().length).toBeGreaterThan(first);
  expect(reflector.sight).toMatchObject({ kind: "blind", why: "the watch is not answered" });
  expect(reflector.cache.size).toBe(1);
  link.mend();
  await world.clock.advance(60_000);
  expect(reflector.sight.kind).toBe("synced");
  await end();
});

it.each([1, 60, 600])("sees again within 5 s after an outage of %i s", async (outageS) => {
  const { world, link, reflector, end } = await follow();
  link.cut();
  await world.clock.advance(outageS * 1000);
  expect(reflector.sight.kind).toBe("blind");
  link.mend();
  await world.clock.advance(5_000);
  expect(reflector.sight.kind).toBe("synced");
  await end();
});

it("does not ask in step or in a storm while there is nobody to answer", async () => {
  const { world, link, watches, end } = await follow();
  link.cut();
  const before = watches().length;
  await world.clock.advance(600_000);
  // Every 2.5 to 5 s, once the pause has grown.
  expect(watches().length - before).toBeGreaterThan(600 / 5);
  expect(watches().length - before).toBeLessThan(600 / 2.5 + 10);
  await end();
});

it("gives up a request that was sent into an outage, and asks anew", async () => {
  const { world, link, watches, end } = await follow();
  link.cut();
  await world.clock.advance(1000);
  // The cable is out: packets are dropped, nothing is refused.
  link.hang();
  await world.clock.advance(10_000);
  const before = watches().length;
  await world.clock.advance(130_000);
  // Each lasts for 8 s, then comes a pause of 5 s at most: none of them is older than that when the cable is back.
  expect(watches().length - before).toBeGreaterThanOrEqual(10);
  await end();
});
