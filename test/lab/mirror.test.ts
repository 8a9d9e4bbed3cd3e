import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fixture } from "./cluster-fixture.ts";

const DEVICE = "/dev/drbd1000";
let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-mirror", ["alpha", "beta"]);
});
afterAll(async () => f.stop());

const on = (host: "alpha" | "beta", script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
const members = () => f.get("hostpair/alpha.beta", "{.status.mirrors[0].members}");
/** The record itself: a condition of the mirror may still be the one from before what the test has just done. */
const membersBecome = (wanted: readonly string[], count = 60) =>
  expect.poll(members, { timeout: f.seconds(count) * 1000, interval: 500 }).toBe(JSON.stringify(wanted));
const bothAreMembersAgain = async () => {
  await membersBecome(["alpha", "beta"], 180);
  await f.waitFor("mirror/m1", "condition=InSync");
};

describe("a mirror", () => {
  it("is usable after kubectl apply, on real DRBD, with one recorded first generation", async () => {
    await f.waitFor("host/alpha", "condition=Ready");
    await f.waitFor("host/beta", "condition=Ready");
    await f.makeVolumeGroups();
    await f.apply("Mirror", "m1", {
      size: "64Mi",
      replicas: [
        { hostName: "alpha", volumeGroupRef: { name: "vg-alpha" } },
        { hostName: "beta", volumeGroupRef: { name: "vg-beta" } },
      ],
    });
    await f.waitFor("mirror/m1", "condition=Ready", 120);
    await f.waitFor("mirror/m1", "condition=InSync", 120);
    expect(await f.get("mirror/m1", "{.status.firstGeneration.state} {.status.primary}")).toBe("GenerationSet alpha");
    expect(await on("alpha", "cat /proc/drbd")).toMatch(/cs:Connected ro:Primary\/Secondary ds:UpToDate\/UpToDate/);
    expect(await members()).toBe('["alpha","beta"]');
  });

  it("keeps what is written on one side for the other, when the primary is moved", async () => {
    await on("alpha", `mkfs.ext4 -q ${DEVICE} && mount ${DEVICE} /mnt && echo kept >/mnt/file && umount /mnt`);
    await f.patch("mirror/m1", { spec: { primary: { hostName: "beta" } } });
    await f.waitFor("mirror/m1", "jsonpath={.status.primary}=beta");
    await f.waitFor("mirror/m1", "condition=Ready");
    expect(await on("beta", `mount ${DEVICE} /mnt && cat /mnt/file`)).toBe("kept\n");
  });

  it("does not demote a device that is in use, and says so", async () => {
    await f.patch("mirror/m1", { spec: { primary: { hostName: "alpha" } } });
    await f.waitForMessage("mirrorreplica/m1-beta", /held open|in use/i);
    expect(await on("beta", "cat /mnt/file")).toBe("kept\n");
    await on("beta", "umount /mnt");
    await f.waitFor("mirror/m1", "jsonpath={.status.primary}=alpha");
  });

  it("goes on alone when the link is cut, and takes the peer in again after a resync", async () => {
    await f.lab.guest("beta").cutLink();
    await on("alpha", `mount ${DEVICE} /mnt && echo alone >/mnt/alone && sync && umount /mnt`);
    // The write came back, so the record must have it already.
    expect(await members()).toBe('["alpha"]');
    await f.waitFor("mirror/m1", "condition=Degraded");
    await f.lab.guest("beta").restoreLink();
    await bothAreMembersAgain();
    await f.waitFor("mirror/m1", "condition=Degraded=False");
  });

  it("stays frozen while nobody decides, and goes on when the API is back", async () => {
    await f.cluster.killServer();
    await f.lab.guest("beta").cutLink();
    await on(
      "alpha",
      `(dd if=/dev/zero of=${DEVICE} bs=4k count=1 seek=100 oflag=dsync && echo written >/run/written) </dev/null >/dev/null 2>&1 &`,
    );
    await expect
      .poll(() => on("alpha", "cat /proc/drbd"), { timeout: f.seconds(30) * 1000, interval: 500 })
      .toMatch(/s-----|s----/);
    expect(await on("alpha", "ls /run/written 2>&1 || true")).toContain("No such file");
    await f.cluster.startServer();
    await expect
      .poll(() => on("alpha", "cat /run/written 2>&1 || true"), { timeout: f.seconds(60) * 1000, interval: 500 })
      .toBe("written\n");
    expect(await members()).toBe('["alpha"]');
    await f.lab.guest("beta").restoreLink();
    await bothAreMembersAgain();
  });

  it("comes back by itself after the secondary lost its power", async () => {
    await f.lab.guest("beta").powerOff();
    await on("alpha", `mount ${DEVICE} /mnt && echo while-beta-was-off >/mnt/off && sync && umount /mnt`);
    expect(await members()).toBe('["alpha"]');
    await f.lab.guest("beta").powerOn();
    await bothAreMembersAgain();
  });

  it("grows while it is mounted", async () => {
    await on("alpha", `mount ${DEVICE} /mnt`);
    await f.patch("mirror/m1", { spec: { size: "96Mi" } });
    await expect
      .poll(async () => Number(await on("alpha", `blockdev --getsize64 ${DEVICE}`)), {
        timeout: f.seconds(120) * 1000,
        interval: 1000,
      })
      .toBeGreaterThanOrEqual(96 * 2 ** 20);
    expect(await on("alpha", `cat /mnt/file && umount /mnt`)).toBe("kept\n");
    await bothAreMembersAgain();
  });

  it("leaves nothing behind when it is deleted", async () => {
    await f.kubectl("delete", "mirror", "m1", `--timeout=${f.seconds(120)}s`);
    for (const host of ["alpha", "beta"] as const) {
      expect(await on(host, "drbdsetup status 2>&1; ls /etc/drbd.d/*.res 2>/dev/null || true")).not.toContain("m1");
      expect(await on(host, "ls /dev/mapper")).not.toContain("m1");
    }
    expect(await f.kubectl("get", "allocations,mirrorreplicas,volumes", "-A", "-o", "name")).toBe("");
    expect(await f.get("hostpair/alpha.beta", "{.status.mirrors}")).toBe("[]");
  });
});
