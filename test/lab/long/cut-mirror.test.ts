import { afterAll, beforeAll, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";
import { Cuts } from "../cuts.ts";

const HOSTS = ["alpha", "beta"] as const;
type Host = (typeof HOSTS)[number];
let f: Fixture;
let cuts: Record<Host, Cuts>;

beforeAll(async () => {
  f = await Fixture.start("test-cut-mirror", HOSTS, { dataDiskMiB: 512 });
  cuts = { alpha: await Cuts.on(f.lab.guest("alpha")), beta: await Cuts.on(f.lab.guest("beta")) };
  for (const host of HOSTS) await f.waitFor(`host/${host}`, "condition=Ready");
  await f.makeVolumeGroups("64Mi");
});
afterAll(async () => f.stop());

const on = (host: Host, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
const members = (mirror: string) =>
  f.get("hostpair/alpha.beta", `{.status.mirrors[?(@.name=="${mirror}")].members}`).catch(() => "");
const bothAreMembers = (mirror: string) =>
  expect.poll(() => members(mirror), { timeout: f.seconds(240) * 1000, interval: 500 }).toBe('["alpha","beta"]');
const make = (name: string) =>
  f.apply("Mirror", name, {
    size: "16Mi",
    replicas: HOSTS.map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
    primary: { hostName: "alpha" },
  });
const remove = (mirror: string) => f.kubectl("delete", "mirror", mirror, `--timeout=${f.seconds(240)}s`);
/** The first two words say what a step is. */
const words = (lines: readonly string[]) =>
  lines.map((line) => line.replace(" -- ", " ").split(" ").slice(0, 3).join(" "));

async function expectUsable(mirror: string): Promise<void> {
  await bothAreMembers(mirror);
  await f.waitFor(`mirror/${mirror}`, "condition=Ready");
  await f.waitFor(`mirror/${mirror}`, "condition=InSync");
  const device = await f.get(`mirror/${mirror}`, "{.status.devicePath}");
  await on("alpha", `echo ${mirror} | dd of=${device} conv=fsync status=none`);
  expect(await on("alpha", `head -c ${mirror.length} ${device}`)).toBe(mirror);
}

async function expectNothingLeft(mirror: string): Promise<void> {
  for (const host of HOSTS) {
    expect(await on(host, "drbdsetup events2 --now")).toBe("exists -\n");
    expect(await on(host, "ls /etc/drbd.d")).not.toContain(mirror);
    expect(await on(host, "lvs --noheadings -o lv_name --devices /dev/vdc")).not.toContain(mirror);
  }
  expect(await f.kubectl("get", "allocations,mirrorreplicas,volumes", "-A", "-o", "name")).toBe("");
  expect(await f.get("hostpair/alpha.beta", "{.status.mirrors}")).toBe("[]");
}

it("makes, moves, grows and deletes a mirror though both agents die after every step", async () => {
  for (const host of HOSTS) await cuts[host].begin("agent");
  await make("one");
  await expectUsable("one");
  const made = words(await cuts.alpha.end());
  expect(made).toContain("lvm lvcreate --yes");
  expect(made).toContain("drbdadm --force create-md");
  expect(made).toContain("drbdadm adjust one");
  expect(made).toContain("drbdadm --force primary");
  expect(words(await cuts.beta.end())).toContain("drbdadm adjust one");
  for (const host of HOSTS) await cuts[host].begin("agent");
  await f.patch("mirror/one", { spec: { primary: { hostName: "beta" } } });
  await f.waitFor("mirror/one", "jsonpath={.status.primary}=beta", 120);
  await f.patch("mirror/one", { spec: { primary: { hostName: "alpha" }, size: "24Mi" } });
  await f.waitFor("mirror/one", "jsonpath={.status.primary}=alpha", 120);
  await expect
    .poll(() => on("alpha", "blockdev --getsize64 /dev/drbd1000"), { timeout: f.seconds(120) * 1000, interval: 1000 })
    .toBe(`${24 * 2 ** 20}\n`);
  await expectUsable("one");
  await remove("one");
  expect(words(await cuts.alpha.end())).toContain("drbdadm --force wipe-md");
  await cuts.beta.end();
  await expectNothingLeft("one");
});

it.each(HOSTS)("makes and deletes a mirror though %s loses its power after every step", async (host) => {
  await cuts[host].begin("power");
  await make(`power-${host}`);
  await expectUsable(`power-${host}`);
  await remove(`power-${host}`);
  expect((await cuts[host].end()).length).toBeGreaterThanOrEqual(6);
  await expectNothingLeft(`power-${host}`);
});
