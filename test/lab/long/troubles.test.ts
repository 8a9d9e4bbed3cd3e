import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";

let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-troubles", ["alpha", "beta"]);
  await f.waitFor("host/alpha", "condition=Ready");
  await f.waitFor("host/beta", "condition=Ready");
  await f.makeVolumeGroups();
});
afterAll(async () => f.stop());

const on = (host: "alpha" | "beta", script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
const onGroups = (size: string) => ({
  size,
  replicas: [
    { hostName: "alpha", volumeGroupRef: { name: "vg-alpha" } },
    { hostName: "beta", volumeGroupRef: { name: "vg-beta" } },
  ],
});
const onDisks = (number: number) => ({
  size: "32Mi",
  replicas: ["alpha", "beta"].map((hostName) => ({
    hostName,
    device: `/dev/disk/by-id/virtio-${hostName}-disk${number}`,
  })),
});
const remove = (...what: string[]) => f.kubectl("delete", ...what, `--timeout=${f.seconds(180)}s`);
const members = () => f.get("hostpair/alpha.beta", "{.status.mirrors[0].members}");
const deviceOf = (mirror: string) => f.get(`mirror/${mirror}`, "{.status.devicePath}");

describe("wrong specs", () => {
  it("a disk that holds data is not made into a mirror", async () => {
    await on("beta", "mkfs.ext4 -q /dev/disk/by-id/virtio-beta-disk2");
    await f.apply("Mirror", "taken", onDisks(2));
    await f.waitForMessage("mirrorreplica/taken-beta", /holds ext4.*wipe/);
    expect(await on("beta", "blkid -p -o value -s TYPE /dev/disk/by-id/virtio-beta-disk2")).toBe("ext4\n");
    await remove("mirror", "taken");
    expect(await on("beta", "blkid -p -o value -s TYPE /dev/disk/by-id/virtio-beta-disk2")).toBe("ext4\n");
  });

  it("a host that is not there is named", async () => {
    await f.apply("Mirror", "nowhere", {
      size: "32Mi",
      replicas: [
        { hostName: "alpha", volumeGroupRef: { name: "vg-alpha" } },
        { hostName: "delta", device: "/dev/sdb" },
      ],
    });
    await f.waitForMessage("mirror/nowhere", /no Host delta/);
    await remove("mirror", "nowhere");
  });

  it("a mirror is not made smaller, and a device is not given to two", async () => {
    await f.apply("Mirror", "first", onDisks(3));
    await f.waitFor("mirror/first", "condition=Ready", 120);
    await f.apply("Mirror", "second", onDisks(3));
    await f.waitForMessage("mirror/second", /belongs to Mirror default\/first/);
    await remove("mirror", "second");
    await f.apply("Mirror", "small", onGroups("64Mi"));
    await f.waitFor("mirror/small", "condition=Ready", 120);
    await f.patch("mirror/small", { spec: { size: "32Mi" } });
    await f.waitForMessage("mirror/small", /never made smaller/);
    await f.patch("mirror/small", { spec: { size: "64Mi" } });
    await f.waitFor("mirror/small", "condition=Ready");
    await remove("mirror", "small", "first");
  });

  it("a name that LVM keeps for itself is refused at once", async () => {
    await expect(f.apply("Volume", "snapshot1", { volumeGroupRef: { name: "vg-alpha" }, size: "4Mi" })).rejects.toThrow(
      /snapshot/,
    );
  });
});

describe("interruptions", () => {
  it.each([0.5, 2, 4, 7])(
    "a mirror is made all the same when both agents are killed %s s after it was applied",
    async (after) => {
      const name = `cut${String(after).replace(".", "")}`;
      await f.apply("Mirror", name, onGroups("16Mi"));
      await new Promise((resolve) => setTimeout(resolve, f.seconds(after) * 1000));
      await Promise.all([f.cluster.killAgent("alpha"), f.cluster.killAgent("beta")]);
      await Promise.all([f.cluster.startAgent("alpha"), f.cluster.startAgent("beta")]);
      await f.waitFor(`mirror/${name}`, "condition=InSync", 180);
      const device = await deviceOf(name);
      await on("alpha", `echo ${name} | dd of=${device} conv=fsync status=none`);
      expect(await on("alpha", `head -c ${name.length} ${device}`)).toBe(name);
      await remove("mirror", name);
    },
  );

  it("a mirror is made all the same when a machine loses its power in the middle", async () => {
    await f.apply("Mirror", "power", onGroups("16Mi"));
    await new Promise((resolve) => setTimeout(resolve, f.seconds(3) * 1000));
    await f.lab.guest("beta").powerOff();
    await f.lab.guest("beta").powerOn();
    await f.waitFor("mirror/power", "condition=InSync", 240);
    await remove("mirror", "power");
  });
});

describe("a disk that fails", () => {
  it("is taken out of the members, and a new one is filled from the other side", async () => {
    await f.apply("Mirror", "rebuilt", onDisks(3));
    await f.waitFor("mirror/rebuilt", "condition=Ready", 120);
    await f.waitFor("mirror/rebuilt", "condition=InSync", 300);
    const device = await deviceOf("rebuilt");
    await f.lab.guest("beta").failDisk(3);
    await on("alpha", `echo survives | dd of=${device} conv=fsync status=none`);
    await expect.poll(members, { timeout: f.seconds(60) * 1000, interval: 500 }).toBe('["alpha"]');
    await f.waitFor("mirror/rebuilt", "condition=Degraded");
    await f.lab.guest("beta").replaceDisk(3);
    await f.waitFor("mirror/rebuilt", "condition=InSync", 400);
    expect(await members()).toBe('["alpha","beta"]');
    expect(await on("alpha", `head -c 8 ${device}`)).toBe("survives");
    await remove("mirror", "rebuilt");
  });
});

describe("deleting while the other machine is off", () => {
  it("names what it waits for, and ends when the machine is back", async () => {
    await f.apply("Mirror", "gone", onGroups("16Mi"));
    await f.waitFor("mirror/gone", "condition=Ready", 120);
    await f.lab.guest("beta").powerOff();
    await f.waitFor("host/beta", "condition=Ready=False");
    await f.kubectl("delete", "mirror", "gone", "--wait=false");
    await f.waitForMessage("mirror/gone", /beta, which does not answer/);
    await f.lab.guest("beta").powerOn();
    await expect.poll(() => f.exists("mirror/gone"), { timeout: f.seconds(180) * 1000, interval: 1000 }).toBe(false);
    expect(await on("beta", "ls /dev/mapper /etc/drbd.d")).not.toContain("gone");
  });
});
