import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Executor } from "../../executors/command/types.ts";
import { apply } from "../../executors/driver.ts";
import { type DesiredVolume, logicalVolumeDriver, observeVolume } from "../../executors/lvm/logical-volume.ts";
import { planVolumeRemoval } from "../../executors/lvm/removal.ts";
import { snapshotDriver } from "../../executors/lvm/snapshot.ts";
import {
  type DesiredVolumeGroup,
  observeVolumeGroup,
  planVolumeGroupRemoval,
  volumeGroupDriver,
} from "../../executors/lvm/volume-group.ts";
import type { Guest } from "../../hack/lab/guest.ts";
import { Lab } from "../../hack/lab/lab.ts";
import { converge } from "./converge.ts";
import { guestExecutor } from "../../hack/lab/executor.ts";

const MIB = 2 ** 20;
const never = new AbortController().signal;
const DISKS = [1, 2, 3].map((number) => `/dev/disk/by-id/virtio-alpha-disk${number}`);
const [DISK1 = "", DISK2 = "", DISK3 = ""] = DISKS;

let lab: Lab;
let alpha: Guest;
let exec: Executor;

beforeAll(async () => {
  lab = await Lab.start({ name: "test-lvm", diesWithUs: true });
  alpha = lab.guest("alpha");
  exec = guestExecutor(alpha);
});
afterAll(async () => lab.stop());

const group = (overrides: Partial<DesiredVolumeGroup> = {}): DesiredVolumeGroup => ({
  name: "vg0",
  uid: "g1",
  devices: [DISK1],
  thinPool: { name: "ferrite_pool", sizeBytes: 64 * MIB, chunkBytes: undefined },
  adopt: false,
  overwrite: false,
  knownUuid: undefined,
  knownDeviceUuids: [],
  ...overrides,
});
const makeGroup = (wanted: DesiredVolumeGroup) =>
  converge(volumeGroupDriver({ name: wanted.name, devices: wanted.devices, scope: DISKS }), wanted, exec);

const volume = (overrides: Partial<DesiredVolume> = {}): DesiredVolume => ({
  group: "vg0",
  name: "data",
  uid: "u1",
  sizeBytes: 64 * MIB,
  thinPool: undefined,
  fileSystem: { type: "ext4", label: "data" },
  source: undefined,
  adopt: false,
  knownUuid: undefined,
  ...overrides,
});
const target = (name: string) => ({ group: "vg0", name, scope: DISKS });
const makeVolume = (wanted: DesiredVolume) => converge(logicalVolumeDriver(target(wanted.name)), wanted, exec);

async function remove(name: string, uid: string, policy: "Delete" | "Retain" = "Delete"): Promise<string> {
  const plan = planVolumeRemoval({ group: "vg0", name, uid, policy }, await observeVolume(target(name), exec, never));
  if (plan.kind === "blocked") return plan.reason;
  await apply(plan, exec, never);
  return "done";
}

// One machine's life: every test goes on from the one before.
describe("LVM on a real kernel", () => {
  it("refuses a disk with a file system, and one with unknown bytes", async () => {
    await alpha.sh(`mkfs.ext4 -q ${DISK1}; echo bytes | dd of=${DISK2} bs=4096 seek=7 conv=notrunc,fsync status=none`);
    expect(await makeGroup(group())).toBe("DeviceHoldsData");
    expect(await makeGroup(group({ devices: [DISK2] }))).toBe("DeviceHoldsData");
    expect((await alpha.sh(`blkid -po value -s TYPE ${DISK1}`)).trim()).toBe("ext4");
  });

  it("makes a volume group and its thin pool, once", async () => {
    expect(await makeGroup(group({ overwrite: true }))).toEqual([
      `wipe ext4 from ${DISK1}`,
      expect.stringContaining("create volume group vg0"),
      "create thin pool ferrite_pool in vg0",
    ]);
    expect(await makeGroup(group())).toEqual([]);
  });

  it("makes a volume with a file system and grows both while it is mounted", async () => {
    expect(await makeVolume(volume())).toHaveLength(3);
    await alpha.sh("mkdir -p /mnt/data && mount /dev/vg0/data /mnt/data && echo kept >/mnt/data/file");
    expect(await makeVolume(volume({ sizeBytes: 128 * MIB }))).toHaveLength(4);
    const kilobytes = Number((await alpha.sh("df --output=size /mnt/data | tail -1")).trim());
    expect(kilobytes).toBeGreaterThan(100 * 1024);
    expect(await alpha.sh("cat /mnt/data/file")).toBe("kept\n");
  });

  it("refuses to shrink and to remove what is mounted", async () => {
    expect(await makeVolume(volume())).toBe("ShrinkRefused");
    expect(await remove("data", "u1")).toBe("DeviceInUse");
  });

  it("copies a thick volume in use, with its data", async () => {
    await alpha.sh("sync");
    const copy = volume({
      name: "copy",
      uid: "u2",
      sizeBytes: 128 * MIB,
      fileSystem: undefined,
      source: { kind: "copy", origin: "data" },
    });
    expect(await makeVolume(copy)).toHaveLength(5);
    await alpha.sh("mkdir -p /mnt/copy && mount /dev/vg0/copy /mnt/copy");
    expect(await alpha.sh("cat /mnt/copy/file && umount /mnt/copy")).toBe("kept\n");
  });

  it("takes a snapshot of a thick volume, sees it overflow, and keeps its origin until it is gone", async () => {
    const snapshot = {
      group: "vg0",
      name: "monday",
      uid: "s1",
      origin: "data",
      sizeBytes: 8 * MIB,
      knownUuid: undefined,
    };
    const make = () => converge(snapshotDriver(target("monday")), snapshot, exec);
    expect(await make()).toEqual(["take snapshot vg0/monday of data"]);
    await alpha.sh("dd if=/dev/urandom of=/mnt/data/fill bs=1M count=20 oflag=direct status=none; umount /mnt/data");
    expect(await make()).toBe("SnapshotOverflowed");
    expect(await remove("data", "u1")).toBe("HasSnapshots");
    expect(await remove("monday", "s1")).toBe("done");
  });

  it("makes a thin volume and clones it at once", async () => {
    const thin = volume({ name: "thin", uid: "t1", sizeBytes: 512 * MIB, thinPool: "ferrite_pool" });
    expect(await makeVolume(thin)).toHaveLength(3);
    const clone = volume({
      name: "clone",
      uid: "t2",
      sizeBytes: 600 * MIB,
      thinPool: "ferrite_pool",
      fileSystem: undefined,
      source: { kind: "clone", origin: "thin" },
    });
    expect(await makeVolume(clone)).toEqual(["clone thin as vg0/clone", "grow vg0/clone to 600 MiB"]);
    expect((await alpha.sh("blkid -po value -s LABEL /dev/vg0/clone")).trim()).toBe("data");
  });

  it("leaves volumes of others alone, and takes one over when asked", async () => {
    await alpha.sh("lvcreate -qy -n theirs -L 32m vg0");
    const theirs = volume({ name: "theirs", uid: "u9", sizeBytes: 32 * MIB, fileSystem: undefined });
    expect(await makeVolume(theirs)).toBe("NameTaken");
    expect(await remove("theirs", "u9")).toBe("done");
    expect(await makeVolume({ ...theirs, adopt: true })).toEqual(["mark vg0/theirs as taken over"]);
  });

  it("activates after a boot what the machine itself left alone", async () => {
    await alpha.powerOff();
    await alpha.powerOn();
    expect((await alpha.exec(["test", "-e", "/dev/vg0/data"])).exitCode).toBe(1);
    expect(await makeVolume(volume({ sizeBytes: 128 * MIB }))).toEqual(["activate vg0/data"]);
  });

  it("adds a disk, empties one, and keeps the data", async () => {
    const both = group({ devices: [DISK1, DISK3] });
    expect(await makeGroup(both)).toContain(`add ${DISK3} to volume group vg0`);
    expect(await makeGroup(group({ devices: [DISK3] }))).toContain("remove LVM's label from /dev/vdc");
    await alpha.sh("mkdir -p /mnt/data && mount /dev/vg0/data /mnt/data");
    expect(await alpha.sh("cat /mnt/data/file && umount /mnt/data")).toBe("kept\n");
  });

  it("does nothing in a group that misses a disk, and makes none anew", async () => {
    const wanted = group({ devices: [DISK3], knownUuid: "seen-before" });
    expect(await makeGroup(wanted)).toBe("VolumeGroupReplaced");
    await alpha.failDisk(3);
    expect(await makeGroup(wanted)).toBe("VolumeGroupLost");
    expect(await makeVolume(volume({ name: "new", uid: "n1" }))).toBe("VolumeGroupMissing");
    await alpha.healDisk(3);
  });

  it("dissolves an empty group and nothing else", async () => {
    const observe = () => observeVolumeGroup({ name: "vg0", devices: [DISK3], scope: DISKS }, exec, never);
    const ours = { name: "vg0", uid: "g1", poolName: "ferrite_pool", knownDeviceUuids: [] };
    expect(planVolumeGroupRemoval(ours, await observe())).toMatchObject({ reason: "NotEmpty" });
    const volumes = { data: "u1", copy: "u2", thin: "t1", clone: "t2", theirs: "u9" };
    for (const [name, uid] of Object.entries(volumes)) expect(await remove(name, uid)).toBe("done");
    const plan = planVolumeGroupRemoval(ours, await observe());
    if (plan.kind === "blocked") throw new Error(plan.message);
    await apply(plan, exec, never);
    expect((await observe()).report).toEqual({ groups: [], orphans: [] });
  });
});
