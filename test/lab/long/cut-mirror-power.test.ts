import { afterAll, beforeAll, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";
import { Cuts } from "../cuts.ts";
import { type Host, HOSTS, mirrorUnderCuts } from "./mirror-under-cuts.ts";

let f: Fixture;
let cuts: Record<Host, Cuts>;
let mirror: ReturnType<typeof mirrorUnderCuts>;

beforeAll(async () => {
  f = await Fixture.start("test-cut-power", HOSTS, { dataDiskMiB: 512 });
  cuts = { alpha: await Cuts.on(f.lab.guest("alpha")), beta: await Cuts.on(f.lab.guest("beta")) };
  for (const host of HOSTS) await f.waitFor(`host/${host}`, "condition=Ready");
  await f.makeVolumeGroups("64Mi");
  mirror = mirrorUnderCuts(f);
});
afterAll(async () => f.stop());

it.each(HOSTS)("makes and deletes a mirror though %s loses its power after every step", async (host) => {
  await cuts[host].begin("power");
  await mirror.make(`power-${host}`);
  await mirror.expectUsable(`power-${host}`);
  await mirror.remove(`power-${host}`);
  expect((await cuts[host].end()).length).toBeGreaterThanOrEqual(6);
  await mirror.expectNothingLeft(`power-${host}`);
});
