import { expect, it } from "vitest";
import { wholeMirrors } from "./beginning.ts";
import { MIRROR_NAMES, World } from "./world.ts";

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
