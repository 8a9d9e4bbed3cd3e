import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";

type Host = "alpha" | "beta";
let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-disks", ["alpha", "beta"], { dataDiskMiB: 256 });
  await f.waitFor("host/alpha", "condition=Ready");
  await f.waitFor("host/beta", "condition=Ready");
});
afterAll(async () => f.stop());

const on = (host: Host, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
const byId = (serial: string) => `/dev/disk/by-id/virtio-${serial}`;
const members = (mirror: string) =>
  f.get("hostpair/alpha.beta", `{.status.mirrors[?(@.name=="${mirror}")].members}`).catch(() => "");
const membersBecome = (mirror: string, ...wanted: Host[]) =>
  expect.poll(() => members(mirror), { timeout: f.seconds(240) * 1000, interval: 500 }).toBe(JSON.stringify(wanted));
const remove = (...what: string[]) => f.kubectl("delete", ...what, `--timeout=${f.seconds(120)}s`);
const onDisks = (alpha: string, beta: string) => ({
  replicas: [
    { hostName: "alpha", device: byId(alpha) },
    { hostName: "beta", device: byId(beta) },
  ],
});
const write = (host: Host, device: string, text: string) =>
  on(host, `echo ${text} | dd of=${device} conv=fsync status=none`);
/** Not what the page cache has of it from before. */
const read = async (host: Host, device: string) =>
  (await on(host, `dd if=${device} bs=4096 count=1 iflag=direct status=none | head -n 1`)).trim();
/** Pulls a disk, puts an empty one in, and waits until the machine has it. */
async function replaceDisk(host: Host, disk: 1 | 3): Promise<string> {
  const serial = await f.lab.guest(host).replaceDisk(disk);
  const isThere = async () => (await f.lab.guest(host).exec(["test", "-b", byId(serial)])).exitCode;
  await expect.poll(isThere, { timeout: f.seconds(30) * 1000, interval: 500 }).toBe(0);
  return serial;
}

// One mirror's life on whole disks: each test goes on from the one before.
describe("pull and replace a disk of a mirror", () => {
  const serials = { alpha: "alpha-disk3", beta: "beta-disk3" };
  let device = "";

  it("under the secondary: nothing is noticed on the primary, and the new disk is filled", async () => {
    await f.apply("Mirror", "m", {
      size: "200Mi",
      primary: { hostName: "alpha" },
      ...onDisks(serials.alpha, serials.beta),
    });
    await f.waitFor("mirror/m", "condition=InSync", 180);
    device = await f.get("mirror/m", "{.status.devicePath}");
    await f.lab.guest("beta").failDisk(3);
    await write("alpha", device, "beta-has-failed");
    await membersBecome("m", "alpha");
    await f.waitFor("mirror/m", "condition=Degraded");
    serials.beta = await replaceDisk("beta", 3);
    await f.patch("mirror/m", { spec: onDisks(serials.alpha, serials.beta) });
    await membersBecome("m", "alpha", "beta");
    await f.waitFor("mirror/m", "condition=InSync");
    expect(await on("beta", "cat /proc/drbd")).toMatch(/ds:UpToDate\/UpToDate/);
    expect(await read("alpha", device)).toBe("beta-has-failed");
  });

  it("under the primary: it goes on from the other side's copy, and the new disk is filled", async () => {
    await f.lab.guest("alpha").failDisk(3);
    await write("alpha", device, "alpha-has-failed");
    await membersBecome("m", "beta");
    await f.waitFor("mirror/m", "condition=Degraded");
    expect(await on("alpha", "cat /proc/drbd")).toMatch(/ro:Primary\/Secondary ds:Diskless\/UpToDate/);
    serials.alpha = await replaceDisk("alpha", 3);
    await f.patch("mirror/m", { spec: onDisks(serials.alpha, serials.beta) });
    await membersBecome("m", "alpha", "beta");
    await f.waitFor("mirror/m", "condition=InSync");
    expect(await read("alpha", device)).toBe("alpha-has-failed");
    // The copy on the new disk, without DRBD's other side.
    expect(await read("alpha", byId(serials.alpha))).toBe("alpha-has-failed");
  });

  it("by one that holds something: it stays as it is, until it is wiped", async () => {
    await f.lab.guest("beta").failDisk(3);
    await write("alpha", device, "again");
    await membersBecome("m", "alpha");
    serials.beta = await replaceDisk("beta", 3);
    await on("beta", `mkfs.ext4 -q ${byId(serials.beta)}`);
    await f.patch("mirror/m", { spec: onDisks(serials.alpha, serials.beta) });
    await f.waitForMessage("mirrorreplica/m-beta", /holds ext4.*wipe/);
    expect(await on("beta", `blkid -p -o value -s TYPE ${byId(serials.beta)}`)).toBe("ext4\n");
    await on("beta", `wipefs -qa ${byId(serials.beta)}`);
    await membersBecome("m", "alpha", "beta");
    await remove("mirror", "m");
    for (const host of ["alpha", "beta"] as const)
      expect((await f.lab.guest(host).exec(["blkid", "-p", byId(serials[host])])).exitCode).toBe(2);
  });
});

describe("pull and replace the disk of a volume group under a mirror", () => {
  it("is done with kubectl alone, and the copy is filled again", async () => {
    await f.makeVolumeGroups("64Mi");
    await f.apply("Mirror", "v", {
      size: "32Mi",
      replicas: ["alpha", "beta"].map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
      primary: { hostName: "alpha" },
    });
    await f.waitFor("mirror/v", "condition=InSync", 120);
    const device = await f.get("mirror/v", "{.status.devicePath}");
    await f.lab.guest("beta").failDisk(1);
    await write("alpha", device, "on-one-copy");
    await membersBecome("v", "alpha");
    const serial = await replaceDisk("beta", 1);
    await f.waitForMessage("volumegroup/vg-beta", /none of its devices|misses/);
    // As docs/tasks/replace-a-disk.md says.
    await remove("volumegroup", "vg-beta");
    await f.apply("VolumeGroup", "vg-beta", {
      hostName: "beta",
      physicalVolumes: [{ device: byId(serial) }],
      deletionPolicy: "Delete",
    });
    await f.waitFor("volumegroup/vg-beta", "condition=Ready", 90);
    await remove("volume", "v-beta");
    await membersBecome("v", "alpha", "beta");
    expect(await read("alpha", device)).toBe("on-one-copy");
    expect(await on("beta", "lvs --noheadings -o lv_name vg-beta")).toContain("v-beta");
    expect(await on("beta", "drbdsetup status v 2>/dev/null || cat /proc/drbd")).toMatch(/UpToDate/);
    await remove("mirror", "v");
    await remove("volumegroup", "vg-alpha", "vg-beta");
  });
});

describe("deleting while the other machine is off", () => {
  it("names what it waits for, and ends when the machine is back", async () => {
    await f.makeVolumeGroups("64Mi", "disk2");
    await f.apply("Mirror", "gone", {
      size: "16Mi",
      replicas: ["alpha", "beta"].map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
    });
    await f.waitFor("mirror/gone", "condition=InSync", 120);
    await f.lab.guest("beta").powerOff();
    await f.kubectl("delete", "mirror", "gone", "--wait=false");
    await f.waitForMessage("mirror/gone", /beta, which does not answer: bring it back/);
    await expect
      .poll(() => on("alpha", "drbdsetup events2 --now"), { timeout: f.seconds(60) * 1000, interval: 500 })
      .toBe("exists -\n");
    await f.lab.guest("beta").powerOn();
    await expect.poll(() => f.exists("mirror/gone"), { timeout: f.seconds(180) * 1000, interval: 1000 }).toBe(false);
    await remove("volumegroup", "vg-alpha", "vg-beta");
  });
});

it("leaves nothing on the machines", async () => {
  for (const host of ["alpha", "beta"] as const) {
    expect(await on(host, "drbdsetup events2 --now")).toBe("exists -\n");
    expect(await on(host, "ls /etc/drbd.d")).not.toContain(".res");
    expect(await on(host, "dmsetup ls")).toBe("No devices found\n");
    expect(await on(host, "ls /var/lib/ferrite/tombstones 2>/dev/null || true")).toBe("");
  }
  expect(await f.kubectl("get", "allocations,mirrorreplicas,volumes", "-A", "-o", "name")).toBe("");
  expect(await f.get("hostpair/alpha.beta", "{.status.mirrors}")).toBe("[]");
});
