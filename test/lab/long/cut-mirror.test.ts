import { afterAll, beforeAll, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";
import { Cuts } from "../cuts.ts";
import { type Host, HOSTS, mirrorUnderCuts } from "./mirror-under-cuts.ts";

let f: Fixture;
let cuts: Record<Host, Cuts>;
let mirror: ReturnType<typeof mirrorUnderCuts>;

beforeAll(async () => {
  f = await Fixture.start("test-cut-mirror", HOSTS, { dataDiskMiB: 512 });
  cuts = { alpha: await Cuts.on(f.lab.guest("alpha")), beta: await Cuts.on(f.lab.guest("beta")) };
  for (const host of HOSTS) await f.waitFor(`host/${host}`, "condition=Ready");
  await f.makeVolumeGroups("64Mi");
  mirror = mirrorUnderCuts(f);
});
afterAll(async () => f.stop());

it("makes, moves, grows and deletes a mirror though both agents die after every step", async () => {
  for (const host of HOSTS) await cuts[host].begin("agent");
  await mirror.make("one");
  await mirror.expectUsable("one");
  const made = mirror.words(await cuts.alpha.end());
  expect(made).toContain("lvm lvcreate --yes");
  expect(made).toContain("drbdadm --force create-md");
  expect(made).toContain("drbdadm adjust one");
  expect(made).toContain("drbdadm --force primary");
  expect(mirror.words(await cuts.beta.end())).toContain("drbdadm adjust one");
  for (const host of HOSTS) await cuts[host].begin("agent");
  await f.patch("mirror/one", { spec: { primary: { hostName: "beta" } } });
  await f.waitFor("mirror/one", "jsonpath={.status.primary}=beta", 120);
  await f.patch("mirror/one", { spec: { primary: { hostName: "alpha" }, size: "24Mi" } });
  await f.waitFor("mirror/one", "jsonpath={.status.primary}=alpha", 120);
  await expect
    .poll(() => mirror.on("alpha", "blockdev --getsize64 /dev/drbd1000"), {
      timeout: f.seconds(120) * 1000,
      interval: 1000,
    })
    .toBe(`${24 * 2 ** 20}\n`);
  await mirror.expectUsable("one");
  await mirror.remove("one");
  expect(mirror.words(await cuts.alpha.end())).toContain("drbdadm --force wipe-md");
  await cuts.beta.end();
  await mirror.expectNothingLeft("one");
});
