import { expect, it } from "vitest";
import { wholeMirrors } from "./beginning.ts";
import { type HostName, MIRROR_NAMES, World } from "./world.ts";

async function until(world: World, what: string, done: () => boolean): Promise<void> {
  for (let second = 0; second < 180; second++) {
    if (done()) return;
    await world.clock.advance(1000);
    if (world.violation !== undefined)
      throw new Error(`${world.violation.message}\n${world.lines.slice(-80).join("\n")}`);
  }
  throw new Error(`never: ${what}\n${world.lines.slice(-80).join("\n")}`);
}

async function begin(seed: number, primaries: readonly HostName[]): Promise<World> {
  const world = new World(seed);
  world.begin(await wholeMirrors(primaries));
  for (const writer of world.writers) writer.start();
  await world.clock.advance(10_000);
  return world;
}

const whole = (world: World) => () => MIRROR_NAMES.every((name) => world.isWhole(name));
const role = (world: World, host: HostName) =>
  MIRROR_NAMES.map((name) => world.drbd.kernel(host).get(name)?.role).join();

it("a restored store is believed by itself where both copies are connected and up to date", async () => {
  const world = await begin(1, ["alpha", "beta"]);
  const backup = world.store.image();
  world.powerOff("beta");
  await until(world, "alpha alone", () => world.entry("m1")?.members.length === 1);
  world.powerOn("beta");
  world.setPrimary("m2", "beta");
  await until(world, "both again", whole(world));
  await world.clock.advance(30_000); // connected, too
  const before = world.record?.incarnation;
  world.store.rollBack(backup);
  await until(world, "a new life", () => world.record?.decision.reason === "StoreRestored");
  expect(world.record?.incarnation).not.toBe(before);
  await until(world, "both still", whole(world));
  // Both decide by it again.
  world.powerOff("beta");
  await until(world, "alpha alone", () => world.entry("m1")?.members.join() === "alpha");
});

it("a host that was off when it was overtaken is not promoted by a restored store; a person's word ends it", async () => {
  const world = await begin(2, ["alpha", "alpha"]);
  const backup = world.store.image();
  world.powerOff("alpha");
  for (const name of MIRROR_NAMES) world.setPrimary(name, "beta");
  await until(world, "beta took over", () => role(world, "beta") === "Primary,Primary");
  await world.clock.advance(10_000);
  world.store.rollBack(backup);
  world.powerOff("beta");
  world.powerOn("alpha");
  await world.clock.advance(120_000);
  expect(role(world, "alpha")).not.toContain("Primary");
  world.powerOn("beta");
  await world.clock.advance(120_000);
  expect(role(world, "alpha") + role(world, "beta")).not.toContain("Primary");
  for (const name of MIRROR_NAMES) world.setPrimary(name, "beta");
  const trust = { hostName: "beta", incarnation: world.record?.incarnation };
  world.store.handle(
    {
      method: "PATCH",
      path: "/apis/ferrite.dev/v1alpha1/hostpairs/alpha.beta",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ spec: { trust } }),
    },
    "admin",
  );
  await until(world, "whole, on beta", whole(world));
  expect(world.violation).toBeUndefined();
});
