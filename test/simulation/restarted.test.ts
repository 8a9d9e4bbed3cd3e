import { expect, it } from "vitest";
import { wholeMirrors } from "./beginning.ts";
import { MIRROR_NAMES, World } from "./world.ts";

it("a copy that was restarted while its primary was gone stays a member, and takes over on a later order", async () => {
  const world = new World(1);
  world.begin(await wholeMirrors(["alpha", "alpha"]));
  for (const writer of world.writers) writer.start();
  await world.clock.advance(10_000);
  for (const host of ["alpha", "beta"] as const) world.powerOff(host);
  world.powerOn("beta");
  await world.clock.advance(30_000);
  expect(MIRROR_NAMES.map((name) => world.entry(name)?.members)).toEqual([
    ["alpha", "beta"],
    ["alpha", "beta"],
  ]);
  for (const name of MIRROR_NAMES) world.setPrimary(name, "beta");
  await world.clock.advance(60_000);
  const roles = MIRROR_NAMES.map((name) => world.drbd.kernel("beta").get(name)?.role);
  expect(roles, world.lines.slice(-60).join("\n")).toEqual(["Primary", "Primary"]);
  expect(world.violation).toBeUndefined();
});

it("both restarted, they meet by themselves and are whole again", async () => {
  const world = new World(1);
  world.begin(await wholeMirrors(["alpha", "beta"]));
  for (const writer of world.writers) writer.start();
  await world.clock.advance(10_000);
  for (const host of ["alpha", "beta"] as const) world.powerOff(host);
  for (const host of ["alpha", "beta"] as const) world.powerOn(host);
  await world.clock.advance(60_000);
  expect(MIRROR_NAMES.map((name) => world.isWhole(name))).toEqual([true, true]);
  expect(world.violation).toBeUndefined();
});

it("a whole copy takes over on order also when its host was restarted meanwhile, and loses nothing", async () => {
  const world = new World(1);
  world.begin(await wholeMirrors(["alpha", "alpha"]));
  for (const writer of world.writers) writer.start();
  await world.clock.advance(10_000);
  world.powerOff("alpha");
  for (const name of MIRROR_NAMES) world.setPrimary(name, "beta");
  world.powerOff("beta");
  await world.clock.advance(30_000); // the order stands
  world.powerOn("beta");
  await world.clock.advance(60_000);
  const roles = MIRROR_NAMES.map((name) => world.drbd.kernel("beta").get(name)?.role);
  expect(roles, world.lines.slice(-60).join("\n")).toEqual(["Primary", "Primary"]);
  world.powerOn("alpha");
  await world.clock.advance(60_000);
  expect(MIRROR_NAMES.map((name) => world.isWhole(name))).toEqual([true, true]);
  expect(world.violation).toBeUndefined();
});
