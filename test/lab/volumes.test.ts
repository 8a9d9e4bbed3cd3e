import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fixture } from "./cluster-fixture.ts";

let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-volumes", ["alpha"]);
});
afterAll(async () => f.stop());

const alpha = (script: string) => f.lab.guest("alpha").sh(script, { timeoutMs: 120_000 });
const lvs = async (): Promise<string> =>
  alpha(
    "lvs --noheadings --options lv_name,lv_size --units m --devices $(ls /dev/vdc 2>/dev/null || echo /dev/vdb) vg1 2>/dev/null || true",
  );
const DISK = (number: number) => `/dev/disk/by-id/virtio-alpha-disk${number}`;

describe("a volume group", () => {
  it("is made of the disk that the object names", async () => {
    await f.waitFor("host/alpha", "condition=Ready");
    await f.apply("VolumeGroup", "vg1", {
      hostName: "alpha",
      physicalVolumes: [{ device: DISK(1) }],
      thinPool: { size: "256Mi" },
      deletionPolicy: "Delete",
    });
    await f.waitFor("volumegroup/vg1", "condition=Ready", 90);
    expect(await alpha(`blkid -p -o value -s TYPE ${DISK(1)}`)).toBe("LVM2_member\n");
  });

  it("takes in a further disk, and gives it back when it is taken off the list", async () => {
    const states = () => f.get("volumegroup/vg1", "{.status.physicalVolumes[*].state}");
    const patience = { timeout: f.seconds(90) * 1000, interval: 1000 };
    await f.patch("volumegroup/vg1", { spec: { physicalVolumes: [{ device: DISK(1) }, { device: DISK(2) }] } });
    await expect.poll(states, patience).toBe("Present Present");
    await f.patch("volumegroup/vg1", { spec: { physicalVolumes: [{ device: DISK(1) }] } });
    await expect.poll(states, patience).toBe("Present");
    expect((await f.lab.guest("alpha").exec(["blkid", "-p", DISK(2)])).exitCode).toBe(2);
  });

  it("never overwrites a disk that holds something, and says how to", async () => {
    await alpha(`mkfs.ext4 -q ${DISK(3)}`);
    await f.apply("VolumeGroup", "vg3", { hostName: "alpha", physicalVolumes: [{ device: DISK(3) }] });
    await f.waitForMessage("volumegroup/vg3", /ext4.*overwrite/s);
    expect(await alpha(`blkid -p -o value -s TYPE ${DISK(3)}`)).toBe("ext4\n");
    await f.kubectl("delete", "volumegroup", "vg3", "--timeout=60s");
  });

  it("names a disk that does not exist", async () => {
    await f.apply("VolumeGroup", "vg9", {
      hostName: "alpha",
      physicalVolumes: [{ device: "/dev/disk/by-id/nothing" }],
    });
    await f.waitForMessage("volumegroup/vg9", /\/dev\/disk\/by-id\/nothing/);
    await f.kubectl("delete", "volumegroup", "vg9", "--timeout=60s");
  });
});

describe("a volume", () => {
  it("comes with its file system, and grows with it while mounted", async () => {
    await f.apply("Volume", "data", {
      volumeGroupRef: { name: "vg1" },
      size: "64Mi",
      fileSystem: { type: "ext4", label: "data" },
    });
    await f.waitFor("volume/data", "condition=Ready", 90);
    await alpha("mount /dev/vg1/data /mnt && echo kept >/mnt/file && sync");
    const before = Number(await alpha("stat -f -c %b /mnt"));
    await f.patch("volume/data", { spec: { size: "128Mi" } });
    await f.waitFor("volume/data", "jsonpath={.status.capacity}=128Mi", 90);
    await expect
      .poll(async () => Number(await alpha("stat -f -c %b /mnt")), { timeout: f.seconds(60) * 1000, interval: 1000 })
      .toBeGreaterThan(before);
    expect(await alpha("cat /mnt/file")).toBe("kept\n");
  });

  it("is never made smaller", async () => {
    await f.patch("volume/data", { spec: { size: "32Mi" } });
    await f.waitForMessage("volume/data", /smaller|shrink|less/i);
    expect(await f.get("volume/data", "{.status.capacity}")).toBe("128Mi");
    await f.patch("volume/data", { spec: { size: "128Mi" } });
    await f.waitFor("volume/data", "condition=Ready");
  });

  it("can be put back to a snapshot, as a new volume", async () => {
    await f.apply("Snapshot", "before", { volumeRef: { name: "data" }, size: "32Mi" });
    await f.waitFor("snapshot/before", "condition=Ready", 90);
    await alpha("echo changed >/mnt/file && sync");
    await f.apply("Volume", "restored", {
      volumeGroupRef: { name: "vg1" },
      size: "128Mi",
      source: { snapshotRef: { name: "before" } },
    });
    await f.waitFor("volume/restored", "condition=Ready", 120);
    expect(await alpha("mkdir -p /tmp/r && mount /dev/vg1/restored /tmp/r && cat /tmp/r/file; umount /tmp/r")).toBe(
      "kept\n",
    );
    expect(await alpha("cat /mnt/file")).toBe("changed\n");
  });

  it("is not deleted while it is in use, and says by what", async () => {
    await f.kubectl("delete", "snapshot", "before", "--timeout=120s");
    await f.kubectl("delete", "volume", "data", "--wait=false");
    await f.waitForMessage("volume/data", /open|in use|mount/i);
    await alpha("umount /mnt");
    await f.waitFor("volume/data", "delete", 90).catch(async (error: unknown) => {
      if (await f.exists("volume/data")) throw error;
    });
    expect(await lvs()).not.toContain("data");
  });

  it("that does not fit is not promised, and is told what is left", async () => {
    await f.apply("Volume", "huge", { volumeGroupRef: { name: "vg1" }, size: "1Ti" });
    await f.waitForMessage("volume/huge", /spec\.size: 1Ti do not fit.*left/, "Bound");
    await f.kubectl("delete", "volume", "huge", "--timeout=60s");
  });

  it("thin, is made in the pool, survives a kill of the agent and a power cut", async () => {
    await f.apply("Volume", "thin", {
      volumeGroupRef: { name: "vg1" },
      size: "1Gi",
      thin: true,
      fileSystem: { type: "ext4" },
    });
    await f.cluster.killAgent("alpha");
    await f.cluster.startAgent("alpha");
    await f.waitFor("volume/thin", "condition=Ready", 120);
    await alpha("mount /dev/vg1/thin /mnt && echo kept >/mnt/file && sync && umount /mnt");
    await f.lab.guest("alpha").powerOff();
    await f.lab.guest("alpha").powerOn();
    await expect
      .poll(() => alpha("test -b /dev/vg1/thin && mount /dev/vg1/thin /mnt && cat /mnt/file").catch(() => ""), {
        timeout: f.seconds(120) * 1000,
        interval: 2000,
      })
      .toBe("kept\n");
    await alpha("umount /mnt");
  });

  it("and everything else goes when it is deleted", async () => {
    await f.kubectl("delete", "volume", "--all", `--timeout=${f.seconds(120)}s`);
    await f.kubectl("delete", "volumegroup", "vg1", `--timeout=${f.seconds(120)}s`);
    expect((await f.lab.guest("alpha").exec(["blkid", "-p", DISK(1)])).exitCode).toBe(2);
  });
});
