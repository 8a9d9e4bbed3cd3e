import { describe, expect, it, test } from "vitest";
import type { Executor } from "../../../../executors/command/types.ts";
import { THIN_POOL_NAME } from "../../../../crds/on-disk-name.ts";
import {
  type DesiredVolumeGroup,
  type ObservedVolumeGroup,
  observeVolumeGroup,
  planVolumeGroupRemoval,
  volumeGroupDriver,
} from "../../../../executors/lvm/volume-group.ts";
import { converge, survivesCrashes } from "./converge.ts";
import { group, LvmModel, MIB, volume } from "../../../../executors/model/lvm.ts";

const desired = (overrides: Partial<DesiredVolumeGroup> = {}): DesiredVolumeGroup => ({
  name: "vg0",
  uid: "g1",
  devices: ["/dev/sdb"],
  thinPool: undefined,
  adopt: false,
  overwrite: false,
  knownUuid: undefined,
  knownDeviceUuids: [],
  ...overrides,
});
const driver = ({ name, devices }: DesiredVolumeGroup) =>
  volumeGroupDriver({ name, devices, scope: ["/dev/sdb", "/dev/sdc"] });
const run = (wanted: DesiredVolumeGroup, model: LvmModel) => converge(driver(wanted), wanted, model);
const blank = () => new LvmModel().withDisk("/dev/sdb").withDisk("/dev/sdc");
const pool = { name: THIN_POOL_NAME, sizeBytes: 100 * MIB, chunkBytes: undefined };

describe("making a volume group", () => {
  it("takes an empty device", async () => {
    const model = blank();
    expect(await run(desired(), model)).toBe("done");
    expect(model.changes).toEqual(["vgcreate --setautoactivation n --addtag ferrite.uid=g1 vg0 /dev/sdb"]);
  });

  test.each([
    { name: "a file system", disk: { signatures: ["ext4"] } },
    { name: "a partition table", disk: { signatures: ["gpt"] } },
    { name: "DRBD metadata", disk: { signatures: ["drbd"] } },
    { name: "a physical volume of nobody", disk: { signatures: ["LVM2_member"] } },
    { name: "bytes without a signature", disk: { dirty: true } },
  ])("refuses a device with $name, unless it may be overwritten", async ({ disk }) => {
    const model = new LvmModel().withDisk("/dev/sdb", disk);
    expect(await run(desired(), model)).toBe("DeviceHoldsData");
    expect(model.changes).toEqual([]);
    expect(await run(desired({ overwrite: true }), model)).toBe("done");
  });

  it("does not wipe a device of another volume group, whatever is allowed", async () => {
    const model = new LvmModel().withGroup(group({ name: "other" }));
    expect(await run(desired({ overwrite: true }), model)).toBe("DeviceInUse");
    expect(model.changes).toEqual([]);
  });

  it("does not wipe a device that is mounted, whatever is allowed", async () => {
    const model = new LvmModel().withDisk("/dev/sdb", { signatures: ["ext4"], mountedAt: "/srv" });
    const plan = driver(desired()).plan(
      desired({ overwrite: true }),
      await driver(desired()).observe(model, new AbortController().signal),
    );
    expect(plan).toMatchObject({ reason: "DeviceInUse", message: expect.stringContaining("mounted at /srv") });
  });

  it("waits for a device that is not there", async () => {
    expect(await run(desired(), new LvmModel())).toBe("DeviceMissing");
  });

  it("does not make again what was there once", async () => {
    const model = blank();
    expect(await run(desired({ knownUuid: "vg-0" }), model)).toBe("VolumeGroupLost");
    expect(model.changes).toEqual([]);
  });

  it("ends well wherever it is cut off", async () => {
    const wanted = desired({ devices: ["/dev/sdb", "/dev/sdc"], thinPool: pool, overwrite: true });
    const world = () =>
      new LvmModel().withDisk("/dev/sdb", { signatures: ["ext4"] }).withDisk("/dev/sdc", { dirty: true });
    await survivesCrashes(driver(wanted), wanted, world, ({ groups }) => groups);
  });
});

describe("a volume group that exists", () => {
  const foreign = () => new LvmModel().withGroup(group({ tags: [] }));

  it("is left alone when it was not made here", async () => {
    const model = foreign();
    expect(await run(desired(), model)).toBe("NotOurs");
    expect(model.changes).toEqual([]);
  });

  it("is taken over as it is", async () => {
    const model = foreign();
    expect(await run(desired({ adopt: true }), model)).toBe("done");
    expect(model.changes).toEqual(["vgchange --addtag ferrite.uid=g1 vg0"]);
  });

  test.each([
    { name: "of another object", change: { uid: "g2", adopt: true }, reason: "NameTaken" },
    { name: "with another uuid than before", change: { knownUuid: "vg-9" }, reason: "VolumeGroupReplaced" },
  ])("$name is refused", async ({ change, reason }) => {
    expect(await run(desired(change), new LvmModel().withGroup(group()))).toBe(reason);
  });

  it("with a missing disk is not touched", async () => {
    const model = new LvmModel().withGroup(group({ devices: ["/dev/sdb", "/dev/sdc"] }));
    model.disks.delete("/dev/sdc");
    expect(await run(desired({ devices: ["/dev/sdb"] }), model)).toBe("PhysicalVolumeMissing");
    expect(model.changes).toEqual([]);
  });
});

describe("changing the devices", () => {
  const two = () => new LvmModel().withGroup(group({ devices: ["/dev/sdb", "/dev/sdc"] }));

  it("adds one, and refuses it when it holds something", async () => {
    const model = new LvmModel().withGroup(group()).withDisk("/dev/sdc", { signatures: ["xfs"] });
    const wanted = desired({ devices: ["/dev/sdb", "/dev/sdc"] });
    expect(await run(wanted, model)).toBe("DeviceHoldsData");
    expect(await run({ ...wanted, overwrite: true }, model)).toBe("done");
    expect(model.changes).toEqual(["wipefs --all /dev/sdc", "vgextend vg0 /dev/sdc"]);
  });

  it("empties one before it goes", async () => {
    const model = two();
    model.groups[0]!.volumes.push(volume());
    expect(await run(desired({ devices: ["/dev/sdc"] }), model)).toBe("done");
    expect(model.changes).toEqual(["pvmove --interval 1 /dev/sdb", "vgreduce vg0 /dev/sdb", "pvremove /dev/sdb"]);
  });

  it("moves nothing off an empty one", async () => {
    const model = two();
    expect(await run(desired(), model)).toBe("done");
    expect(model.changes).toEqual(["vgreduce vg0 /dev/sdc", "pvremove /dev/sdc"]);
  });

  it("keeps one whose data does not fit on the others", async () => {
    const model = two();
    model.disks.get("/dev/sdc")!.sizeBytes = 50 * MIB;
    model.groups[0]!.volumes.push(volume());
    expect(await run(desired({ devices: ["/dev/sdc"] }), model)).toBe("DeviceStillNeeded");
    expect(model.changes).toEqual([]);
  });

  it("keeps the last one", async () => {
    const model = new LvmModel().withGroup(group()).withDisk("/dev/sdc", { signatures: ["ext4"] });
    expect(await run(desired({ devices: [] }), model)).toBe("LastDevice");
  });

  it("waits for a move whose volumes are inactive", async () => {
    const move = volume({ name: "pvmove0", role: "private,pvmove", active: false });
    const model = new LvmModel().withGroup(group({ volumes: [move] }));
    expect(await run(desired(), model)).toBe("MoveWaits");
    model.volume("pvmove0").active = true;
    const observed = await driver(desired()).observe(model, new AbortController().signal);
    const plan = driver(desired()).plan(desired(), observed);
    expect(plan).toMatchObject({ kind: "steps", steps: [{ why: "go on moving data within volume group vg0" }] });
  });

  it("ends well wherever a removal is cut off", async () => {
    const wanted = desired({ devices: ["/dev/sdc"], knownDeviceUuids: ["pv-/dev/sdb", "pv-/dev/sdc"] });
    const world = () => {
      const model = two();
      model.groups[0]!.volumes.push(volume());
      return model;
    };
    const end = ({ groups, disks }: LvmModel) => ({ groups, labels: [...disks].map(([, disk]) => disk.signatures) });
    await survivesCrashes(driver(wanted), wanted, world, end);
  });

  it("leaves a label alone that it has never seen", async () => {
    const model = new LvmModel().withGroup(group()).withDisk("/dev/sdc", { signatures: ["LVM2_member"] });
    expect(await run(desired({ knownDeviceUuids: ["pv-/dev/sdb"] }), model)).toBe("done");
    expect(model.changes).toEqual([]);
  });
});

describe("the thin pool", () => {
  it("is made and grown", async () => {
    const model = new LvmModel().withGroup(group());
    expect(await run(desired({ thinPool: pool }), model)).toBe("done");
    expect(await run(desired({ thinPool: { ...pool, sizeBytes: 200 * MIB } }), model)).toBe("done");
    expect(model.changes).toEqual([
      "lvcreate --yes --type thin-pool --zero y --extents 25 --addtag ferrite.uid=g1 --name ferrite_pool vg0",
      "lvextend --extents 50 vg0/ferrite_pool",
    ]);
  });

  test.each([
    { name: "larger than the group", sizeBytes: 1020 * MIB, reason: "InsufficientSpace" },
    { name: "smaller than it is", sizeBytes: 40 * MIB, reason: "ShrinkRefused" },
  ])("$name is refused", async ({ sizeBytes, reason }) => {
    const volumes = reason === "ShrinkRefused" ? [volume({ name: THIN_POOL_NAME, layout: "thin,pool" })] : [];
    const model = new LvmModel().withGroup(group({ volumes }));
    expect(await run(desired({ thinPool: { ...pool, sizeBytes } }), model)).toBe(reason);
  });
});

describe("removing a volume group", () => {
  const target = { name: "vg0", uid: "g1", poolName: THIN_POOL_NAME, knownDeviceUuids: ["pv-/dev/sdb", "pv-/dev/sdc"] };
  const plan = async (model: LvmModel) => {
    const observed = await observeVolumeGroup(
      { name: "vg0", devices: [], scope: [] },
      model,
      new AbortController().signal,
    );
    return planVolumeGroupRemoval(target, observed);
  };

  it("takes its own pool with it", async () => {
    const pools = [volume({ name: THIN_POOL_NAME, layout: "thin,pool" })];
    expect(await plan(new LvmModel().withGroup(group({ volumes: pools })))).toMatchObject({
      steps: [
        { why: "remove thin pool ferrite_pool" },
        { why: "remove volume group vg0" },
        { why: "remove LVM's label from /dev/sdb" },
      ],
    });
  });

  test.each([
    { name: "with volumes", one: group({ volumes: [volume()] }), reason: "NotEmpty" },
    { name: "of somebody else", one: group({ tags: [] }), reason: "NotOurs" },
  ])("$name is refused", async ({ one, reason }) => {
    expect(await plan(new LvmModel().withGroup(one))).toMatchObject({ kind: "blocked", reason });
  });

  it("ends well wherever it is cut off", async () => {
    const removal = {
      observe: (exec: Executor, signal: AbortSignal) =>
        observeVolumeGroup({ name: "vg0", devices: [], scope: [] }, exec, signal),
      plan: (_: undefined, seen: ObservedVolumeGroup) => planVolumeGroupRemoval(target, seen),
    };
    const pools = () => [volume({ name: THIN_POOL_NAME, layout: "thin,pool" })];
    const world = () => new LvmModel().withGroup(group({ devices: ["/dev/sdb", "/dev/sdc"], volumes: pools() }));
    const end = ({ groups, disks }: LvmModel) => ({ groups, labels: [...disks].map(([, disk]) => disk.signatures) });
    await survivesCrashes(removal, undefined, world, end);
  });

  it("takes out of the kernel what outlived the disks, and only of this group", async () => {
    const model = new LvmModel();
    model.left.push(
      { name: "vg0-thin", uuid: "LVM-ab01thin", open: 0, on: "vg0-pool" },
      { name: "vg0-pool", uuid: "LVM-ab01pool", open: 1 },
      { name: "other-data", uuid: "LVM-ff02data", open: 0 },
    );
    const lost = { name: "vg0", devices: [], scope: [], knownUuid: "ab-01" };
    const removal = {
      observe: (exec: Executor, signal: AbortSignal) => observeVolumeGroup(lost, exec, signal),
      plan: (_: undefined, seen: ObservedVolumeGroup) => planVolumeGroupRemoval(target, seen),
    };
    expect(await converge(removal, undefined, model)).toBe("done");
    expect(model.changes).toEqual(["dmsetup remove --retry vg0-thin", "dmsetup remove --retry vg0-pool"]);
    model.left.push({ name: "vg0-busy", uuid: "LVM-ab01busy", open: 1 });
    expect(await converge(removal, undefined, model)).toBe("DeviceInUse");
  });

  it("has nothing to do the second time", async () => {
    expect(await plan(new LvmModel())).toEqual({ kind: "steps", steps: [] });
  });
});
