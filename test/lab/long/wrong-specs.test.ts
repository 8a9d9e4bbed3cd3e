import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";

let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-specs", ["alpha", "beta"], { dataDiskMiB: 512 });
  await f.waitFor("host/alpha", "condition=Ready");
  await f.waitFor("host/beta", "condition=Ready");
  await f.makeVolumeGroups("128Mi");
});
afterAll(async () => f.stop());

type Host = "alpha" | "beta";
const on = (host: Host, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
const disk = (host: Host, number: number) => `/dev/disk/by-id/virtio-${host}-disk${number}`;
const onGroups = (size: string) => ({
  size,
  replicas: [
    { hostName: "alpha", volumeGroupRef: { name: "vg-alpha" } },
    { hostName: "beta", volumeGroupRef: { name: "vg-beta" } },
  ],
});
const onDevices = (alpha: string, beta: string, size = "32Mi") => ({
  size,
  replicas: [
    { hostName: "alpha", device: alpha },
    { hostName: "beta", device: beta },
  ],
});
const onDisks = (number: number, size?: string) => onDevices(disk("alpha", number), disk("beta", number), size);
/** Ends, or the test does: nothing that is wrong may be stuck. */
const remove = (...what: string[]) => f.kubectl("delete", ...what, `--timeout=${f.seconds(60)}s`);
const typeOf = async (device: string, host: Host) => (await on(host, `blkid -p -o value -s TYPE ${device}`)).trim();

describe("a disk that cannot be had", () => {
  it("is not there: a volume group and a mirror name it", async () => {
    const device = "/dev/disk/by-id/nothing";
    await f.apply("VolumeGroup", "wrong", { hostName: "alpha", physicalVolumes: [{ device }] });
    await f.apply("Mirror", "wrong", onDevices(device, disk("beta", 2)));
    await f.waitForMessage("volumegroup/wrong", /alpha: .*\/dev\/disk\/by-id\/nothing.*ls/);
    await f.waitForMessage("mirror/wrong", /there is no device \/dev\/disk\/by-id\/nothing on alpha.*ls/);
    await remove("volumegroup", "wrong");
    await remove("mirror", "wrong");
  });

  it("holds a file system: it stays, until somebody says the word", async () => {
    await on("beta", `mkfs.ext4 -q ${disk("beta", 2)}`);
    await f.apply("VolumeGroup", "wrong", { hostName: "beta", physicalVolumes: [{ device: disk("beta", 2) }] });
    await f.waitForMessage("volumegroup/wrong", /holds ext4; set spec.overwrite/);
    await remove("volumegroup", "wrong");
    await f.apply("Mirror", "wrong", onDisks(2));
    await f.waitForMessage("mirrorreplica/wrong-beta", /holds ext4.*wipe/);
    expect(await typeOf(disk("beta", 2), "beta")).toBe("ext4");
    await remove("mirror", "wrong");
    expect(await typeOf(disk("beta", 2), "beta")).toBe("ext4");
  });

  it("is mounted: not even the word helps, and the mount point is named", async () => {
    await on("beta", `mount ${disk("beta", 2)} /mnt && echo kept >/mnt/file`);
    const spec = { hostName: "beta", physicalVolumes: [{ device: disk("beta", 2) }], overwrite: true };
    await f.apply("VolumeGroup", "wrong", spec);
    await f.waitForMessage("volumegroup/wrong", /in use.*mounted at \/mnt/);
    await on("beta", "umount /mnt");
    expect(await typeOf(disk("beta", 2), "beta").catch(() => "")).toMatch(/ext4|LVM2_member/);
    await f.patch("volumegroup/wrong", { spec: { deletionPolicy: "Delete" } });
    await f.waitFor("volumegroup/wrong", "condition=Ready");
    await remove("volumegroup", "wrong");
    expect((await f.lab.guest("beta").exec(["blkid", "-p", disk("beta", 2)])).exitCode).toBe(2);
  });

  it("belongs to another mirror, by the same name or by another", async () => {
    await f.apply("Mirror", "first", onDisks(3));
    await f.waitFor("mirror/first", "condition=Ready", 120);
    await f.apply("Mirror", "second", onDisks(3));
    await f.waitForMessage("mirror/second", /belongs to Mirror default\/first/);
    await remove("mirror", "second");
    await f.apply("Mirror", "second", onDevices("/dev/vde", "/dev/vde"));
    await f.waitForMessage("mirrorreplica/second-alpha", /in use.*drbd1000|holds.*drbd/);
    await remove("mirror", "second");
    await f.apply("VolumeGroup", "wrong", {
      hostName: "alpha",
      physicalVolumes: [{ device: "/dev/vde" }],
      overwrite: true,
    });
    await f.waitForMessage("volumegroup/wrong", /in use.*drbd1000/);
    await remove("volumegroup", "wrong");
    expect(await on("alpha", "cat /proc/drbd")).toMatch(/ds:UpToDate/);
  });

  it("held another mirror's copy: its data is not taken for this one's", async () => {
    await f.patch("mirror/first", { spec: { deletionPolicy: "Retain" } });
    await remove("mirror", "first");
    await f.apply("Mirror", "heir", onDisks(3));
    await f.waitForMessage("mirrorreplica/heir-alpha", /holds .*drbd.*wipe/);
    await remove("mirror", "heir");
    expect(await typeOf("/dev/vde", "alpha")).toBe("drbd");
    for (const host of ["alpha", "beta"] as const) await on(host, "wipefs -qa /dev/vde");
  });
});

describe("a size", () => {
  it("that does not fit: volume, mirror on volume groups, mirror on disks", async () => {
    await f.apply("Volume", "huge", { volumeGroupRef: { name: "vg-alpha" }, size: "1Ti" });
    await f.apply("Mirror", "huge", onGroups("1Ti"));
    await f.apply("Mirror", "wide", onDisks(3, "1Ti"));
    await f.waitForMessage("volume/huge", /spec\.size: 1Ti do not fit.*left/, "Bound");
    await f.waitForMessage("mirror/huge", /huge-alpha: spec\.size: .* do not fit.*left/);
    await f.waitForMessage("mirror/wide", /spec\.size: 1Ti.*virtio-alpha-disk3.*has/);
    await remove("volume", "huge");
    await remove("mirror", "huge", "wide");
  });

  it("that is less than what is there", async () => {
    await f.apply("Volume", "small", { volumeGroupRef: { name: "vg-alpha" }, size: "32Mi" });
    await f.apply("Mirror", "small", onGroups("32Mi"));
    await f.waitFor("volume/small", "condition=Ready");
    await f.waitFor("mirror/small", "condition=Ready", 120);
    await f.patch("volume/small", { spec: { size: "16Mi" } });
    await f.patch("mirror/small", { spec: { size: "16Mi" } });
    await f.waitForMessage("volume/small", /spec\.size.*32 MiB.*does not shrink/);
    await f.waitForMessage("mirror/small", /spec\.size: 16Mi is less.*32Mi.*never made smaller/);
    await f.patch("mirror/small", { spec: { size: "32Mi" } });
    await f.waitFor("mirror/small", "condition=Ready");
    await remove("mirror", "small");
    await remove("volume", "small");
  });

  it("of a thin pool that is used up", async () => {
    await f.apply("Volume", "eater", { volumeGroupRef: { name: "vg-alpha" }, size: "256Mi", thin: true });
    await f.waitFor("volume/eater", "condition=Ready");
    await on("alpha", "dd if=/dev/urandom of=/dev/vg-alpha/eater bs=1M count=124 oflag=direct status=none");
    await f.apply("Volume", "late", { volumeGroupRef: { name: "vg-alpha" }, size: "64Mi", thin: true });
    await f.waitForMessage("volume/late", /thin pool.*full.*spec\.thinPool\.size/);
    await f.waitForMessage("volumegroup/vg-alpha", /9\d % full: raise spec\.thinPool\.size/, "ThinPoolHealthy");
    await f.patch("volumegroup/vg-alpha", { spec: { thinPool: { size: "160Mi" } } });
    await f.waitFor("volume/late", "condition=Ready");
    await remove("volume", "late", "eater");
  });
});

describe("a name", () => {
  it("of a host or a volume group that is not there", async () => {
    const [first] = onGroups("32Mi").replicas;
    await f.apply("Mirror", "nowhere", { size: "32Mi", replicas: [first, { hostName: "delta", device: "/dev/sdb" }] });
    await f.apply("Volume", "nowhere", { volumeGroupRef: { name: "vg-delta" }, size: "32Mi" });
    await f.apply("VolumeGroup", "nowhere", { hostName: "delta", physicalVolumes: [{ device: "/dev/sdb" }] });
    await f.waitForMessage("mirror/nowhere", /spec\.replicas: there is no Host delta/);
    await f.waitForMessage("volume/nowhere", /spec\.volumeGroupRef: there is no VolumeGroup vg-delta/, "Bound");
    await f.waitForMessage("volumegroup/nowhere", /spec\.hostName: there is no Host delta/);
    await remove("mirror", "nowhere");
    await remove("volume", "nowhere");
    await remove("volumegroup", "nowhere");
  });

  it.each(["snapshot1", "pvmove0"])("that LVM keeps for itself, %s, is refused at once", async (name) => {
    const volume = f.apply("Volume", name, { volumeGroupRef: { name: "vg-alpha" }, size: "4Mi" });
    await expect(volume).rejects.toThrow(/LVM reserves names that begin with/);
    await expect(f.apply("Mirror", name, onGroups("4Mi"))).rejects.toThrow(/LVM reserves names that begin with/);
  });
});

describe("in use", () => {
  it("a volume is not deleted, and what has it open is named", async () => {
    await f.apply("Volume", "busy", { volumeGroupRef: { name: "vg-alpha" }, size: "16Mi" });
    await f.waitFor("volume/busy", "condition=Ready");
    await on("alpha", "sh -c 'exec sleep 600 </dev/vg-alpha/busy' >/dev/null 2>&1 & echo $! >/run/holder");
    await f.kubectl("delete", "volume", "busy", "--wait=false");
    await f.waitForMessage("volume/busy", /in use.*sleep \(process \d+\)/);
    await on("alpha", "kill $(cat /run/holder)");
    await remove("volume", "busy", "--ignore-not-found");
  });

  it("a mirror is not demoted nor deleted, and what has it open is named", async () => {
    await f.apply("Mirror", "busy", onGroups("16Mi"));
    await f.waitFor("mirror/busy", "condition=InSync", 120);
    const device = await f.get("mirror/busy", "{.status.devicePath}");
    await on("alpha", `mkfs.ext4 -q ${device} && mount ${device} /mnt`);
    await f.patch("mirror/busy", { spec: { primary: { hostName: "beta" } } });
    await f.waitForMessage("mirror/busy", /alpha: .*in use.*mounted at \/mnt/);
    await f.patch("mirror/busy", { spec: { primary: { hostName: "alpha" } } });
    await f.waitFor("mirror/busy", "condition=Ready");
    await f.kubectl("delete", "mirror", "busy", "--wait=false");
    await f.waitForMessage("mirror/busy", /alpha: .*in use.*mounted at \/mnt/);
    await on("alpha", "umount /mnt");
    await remove("mirror", "busy", "--ignore-not-found");
  });
});

it("leaves nothing on the machines", async () => {
  await remove("volumegroup", "vg-alpha", "vg-beta");
  for (const host of ["alpha", "beta"] as const) {
    expect(await on(host, "drbdsetup events2 --now")).toBe("exists -\n");
    expect(await on(host, "ls /etc/drbd.d")).not.toContain(".res");
    expect(await on(host, "dmsetup ls")).toBe("No devices found\n");
    expect(await on(host, "for disk in c d e; do blkid -p /dev/vd$disk || true; done")).toBe("");
  }
  const kinds = "allocations,mirrors,mirrorreplicas,volumes,volumegroups,snapshots";
  expect(await f.kubectl("get", kinds, "-A", "-o", "name")).toBe("");
});
