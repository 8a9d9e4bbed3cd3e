import { afterAll, beforeAll, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";
import { Cuts } from "../cuts.ts";

let f: Fixture;
let cuts: Cuts;

beforeAll(async () => {
  f = await Fixture.start("test-cut-lvm", ["alpha"], { dataDiskMiB: 512 });
  cuts = await Cuts.on(f.lab.guest("alpha"));
  await f.waitFor("host/alpha", "condition=Ready");
});
afterAll(async () => f.stop());

const alpha = (script: string) => f.lab.guest("alpha").sh(script, { timeoutMs: 120_000 });
const DISK = (number: number) => `/dev/disk/by-id/virtio-alpha-disk${number}`;
const remove = (...what: string[]) => f.kubectl("delete", ...what, `--timeout=${f.seconds(120)}s`);
/** What is in the volume group, by LVM itself. */
const volumes = async () =>
  (await alpha("vgs -a --noheadings -o lv_name,lv_size --units m --nosuffix vg1 --devices /dev/vdc,/dev/vdd"))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("["));
const contents = (device: string) => alpha(`mount ${device} /mnt && cat /mnt/file; umount /mnt`);

// One machine's life, in which the agent never lives to hear of a step that it has taken: each test goes on from the one before.
it("makes a volume group and its pool", async () => {
  await alpha(`mkfs.ext4 -q ${DISK(1)}`);
  await cuts.begin("agent");
  await f.apply("VolumeGroup", "vg1", {
    hostName: "alpha",
    physicalVolumes: [{ device: DISK(1) }],
    thinPool: { size: "64Mi" },
    overwrite: true,
    deletionPolicy: "Delete",
  });
  await f.waitFor("volumegroup/vg1", "condition=Ready", 120);
  expect(await cuts.end()).toEqual([
    expect.stringMatching(/^wipefs --all/),
    expect.stringMatching(/^lvm vgcreate .* vg1 /),
    expect.stringMatching(/^lvm lvcreate .*ferrite_pool/),
  ]);
  expect(await volumes()).toEqual(["ferrite_pool 64.00"]);
});

it("takes in a disk and gives it back", async () => {
  const devices = (...numbers: number[]) => ({
    spec: { physicalVolumes: numbers.map((number) => ({ device: DISK(number) })) },
  });
  const states = () => f.get("volumegroup/vg1", "{.status.physicalVolumes[*].state}");
  const patience = { timeout: f.seconds(120) * 1000, interval: 1000 };
  await cuts.begin("agent");
  await f.patch("volumegroup/vg1", devices(1, 2));
  await expect.poll(states, patience).toBe("Present Present");
  await f.patch("volumegroup/vg1", devices(1));
  await expect.poll(states, patience).toBe("Present");
  await expect.poll(async () => (await f.lab.guest("alpha").exec(["blkid", "-p", DISK(2)])).exitCode, patience).toBe(2);
  expect((await cuts.end()).map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([
    "lvm vgextend",
    "lvm vgreduce",
    "lvm pvremove",
  ]);
});

it("makes a volume with a file system, and grows both", async () => {
  await cuts.begin("agent");
  await f.apply("Volume", "data", { volumeGroupRef: { name: "vg1" }, size: "32Mi", fileSystem: { type: "ext4" } });
  await f.waitFor("volume/data", "condition=Ready", 120);
  expect(await cuts.end()).toHaveLength(3);
  await alpha("mount /dev/vg1/data /mnt && echo kept >/mnt/file && umount /mnt");
  await cuts.begin("agent");
  await f.patch("volume/data", { spec: { size: "64Mi" } });
  await f.waitFor("volume/data", "jsonpath={.status.capacity}=64Mi", 120);
  await f.waitFor("volume/data", "condition=Ready", 120);
  expect((await cuts.end()).map((line) => line.split(" ")[0])).toEqual(["lvm", "lvm", "e2fsck", "resize2fs", "lvm"]);
  expect(await contents("/dev/vg1/data")).toBe("kept\n");
  expect(await alpha("dumpe2fs -h /dev/vg1/data 2>/dev/null | sed -n 's/^Block count: *//p'")).toBe("65536\n");
});

it("takes a snapshot, and makes a volume of it", async () => {
  await cuts.begin("agent");
  await f.apply("Snapshot", "then", { volumeRef: { name: "data" }, size: "16Mi" });
  await f.waitFor("snapshot/then", "condition=Ready", 120);
  await f.apply("Volume", "copy", {
    volumeGroupRef: { name: "vg1" },
    size: "64Mi",
    source: { snapshotRef: { name: "then" } },
  });
  await f.waitFor("volume/copy", "condition=Ready", 120);
  expect(await cuts.end()).toHaveLength(4);
  expect(await contents("/dev/vg1/copy")).toBe("kept\n");
});

it("removes it all, and leaves nothing", async () => {
  await cuts.begin("agent");
  await remove("snapshot", "then");
  await remove("volume", "data", "copy");
  await remove("volumegroup", "vg1");
  const verbs = (await cuts.end()).map((line) => line.split(" ")[1]);
  expect(verbs).toEqual(["lvremove", "lvremove", "lvremove", "lvremove", "vgremove", "pvremove"]);
  expect((await f.lab.guest("alpha").exec(["blkid", "-p", DISK(1)])).exitCode).toBe(2);
  expect(await alpha("dmsetup ls")).toBe("No devices found\n");
});

it("does the same when the machine loses its power after every step", async () => {
  await cuts.begin("power");
  await f.apply("VolumeGroup", "vg1", {
    hostName: "alpha",
    physicalVolumes: [{ device: DISK(1) }],
    deletionPolicy: "Delete",
  });
  await f.waitFor("volumegroup/vg1", "condition=Ready", 120);
  await f.apply("Volume", "data", { volumeGroupRef: { name: "vg1" }, size: "32Mi", fileSystem: { type: "ext4" } });
  await f.waitFor("volume/data", "condition=Ready", 180);
  expect(await cuts.end()).toHaveLength(4);
  expect(await volumes()).toEqual(["data 32.00"]);
  await alpha("mount /dev/vg1/data /mnt && echo kept >/mnt/file && umount /mnt");
  expect(await contents("/dev/vg1/data")).toBe("kept\n");
  await cuts.begin("power");
  await remove("volume", "data");
  await remove("volumegroup", "vg1");
  expect(await cuts.end()).toHaveLength(3);
  expect((await f.lab.guest("alpha").exec(["blkid", "-p", DISK(1)])).exitCode).toBe(2);
});
