import { describe, expect, it, test } from "vitest";
import { type DesiredVolume, logicalVolumeDriver, parseMounts } from "../../../../executors/lvm/logical-volume.ts";
import { converge, survivesCrashes } from "./converge.ts";
import { group, LvmModel, MIB, type Volume, volume } from "../../../../executors/model/lvm.ts";

const POOL = volume({ name: "ferrite_pool", uuid: "lv-pool", layout: "thin,pool", tags: [] });

const desired = (overrides: Partial<DesiredVolume> = {}): DesiredVolume => ({
  group: "vg0",
  name: "data",
  uid: "u1",
  sizeBytes: 100 * MIB,
  thinPool: undefined,
  fileSystem: undefined,
  source: undefined,
  adopt: false,
  knownUuid: undefined,
  ...overrides,
});
const driver = logicalVolumeDriver({ group: "vg0", name: "data", scope: ["/dev/sdb"] });
const run = (wanted: DesiredVolume, model: LvmModel) => converge(driver, wanted, model);
const world = (...volumes: Volume[]) => new LvmModel().withGroup(group({ volumes: structuredClone(volumes) }));
const ext4 = { type: "ext4", label: "data" } as const;
const xfs = { type: "xfs", label: undefined } as const;

describe("making a volume", () => {
  it("rounds up to whole extents", async () => {
    const model = world();
    expect(await run(desired({ sizeBytes: 100 * MIB + 1 }), model)).toBe("done");
    expect(model.changes).toEqual([
      "lvcreate --yes --wipesignatures y --zero y --type linear --extents 26 --addtag ferrite.uid=u1 --name data vg0",
    ]);
  });

  it("makes a thin one of whole extents", async () => {
    const model = world(POOL);
    expect(await run(desired({ thinPool: "ferrite_pool", sizeBytes: 5 * 1024 * MIB + 1 }), model)).toBe("done");
    expect(model.changes).toEqual([
      "lvcreate --type thin --virtualsize 5372903424b --thinpool ferrite_pool --addtag ferrite.uid=u1 --name data vg0",
    ]);
  });

  it.each([
    {
      name: "there is no group",
      model: new LvmModel().withDisk("/dev/sdb"),
      wanted: desired(),
      reason: "VolumeGroupMissing",
    },
    {
      name: "there is no room",
      model: world(),
      wanted: desired({ sizeBytes: 1021 * MIB }),
      reason: "InsufficientSpace",
    },
    {
      name: "there is no pool",
      model: world(),
      wanted: desired({ thinPool: "ferrite_pool" }),
      reason: "ThinPoolMissing",
    },
    { name: "it was there once", model: world(), wanted: desired({ knownUuid: "lv-data" }), reason: "VolumeLost" },
    { name: "it is to be adopted", model: world(), wanted: desired({ adopt: true }), reason: "AdoptNotFound" },
    {
      name: "a source is larger",
      model: world(POOL, volume({ name: "origin", pool: "ferrite_pool", extents: 26 })),
      wanted: desired({ thinPool: "ferrite_pool", source: { kind: "clone", origin: "origin" } }),
      reason: "SourceTooLarge",
    },
    {
      name: "a source is missing",
      model: world(POOL),
      wanted: desired({ thinPool: "ferrite_pool", source: { kind: "clone", origin: "origin" } }),
      reason: "SourceMissing",
    },
  ])("is refused when $name", async ({ model, wanted, reason }) => {
    expect(await run(wanted, model)).toBe(reason);
    expect(model.changes).toEqual([]);
  });
});

describe("filling a volume", () => {
  it("makes a file system once", async () => {
    const model = world();
    expect(await run(desired({ fileSystem: ext4 }), model)).toBe("done");
    expect(model.changes.slice(1)).toEqual([
      "mkfs.ext4 -q -F -L data /dev/vg0/data",
      "lvchange --deltag ferrite.unfilled vg0/data",
    ]);
    expect(await run(desired({ fileSystem: ext4 }), model)).toBe("done");
    expect(model.changes).toHaveLength(3);
  });

  it("never makes one on a volume that was handed out", async () => {
    const model = world(volume());
    expect(await run(desired({ fileSystem: ext4 }), model)).toBe("done");
    expect(model.changes).toEqual([]);
  });

  it("stops when somebody has the volume open", async () => {
    const model = world(volume({ tags: ["ferrite.uid=u1", "ferrite.unfilled"], open: true }));
    expect(await run(desired({ fileSystem: ext4 }), model)).toBe("DeviceInUse");
  });

  it("copies a volume in use from a snapshot", async () => {
    const model = world(volume({ name: "origin", open: true, content: "theirs" }));
    expect(await run(desired({ source: { kind: "copy", origin: "origin" } }), model)).toBe("done");
    expect(model.volume("data").content).toBe("theirs");
    expect(model.changes.slice(1)).toEqual([
      "lvcreate --type snapshot --extents 16 --addtag ferrite.unfilled --name data_source vg0/origin",
      "dd if=/dev/vg0/data_source of=/dev/vg0/data bs=4M iflag=fullblock conv=notrunc,fsync status=none",
      "lvremove --yes vg0/data_source",
      "lvchange --deltag ferrite.unfilled vg0/data",
    ]);
  });

  it("empties a thin volume before a sparse copy, for an earlier attempt may have left data", async () => {
    const model = world(POOL);
    const wanted = desired({ thinPool: "ferrite_pool", source: { kind: "file", path: "/image", sha256: undefined } });
    expect(await run(wanted, model)).toBe("done");
    expect(model.changes.slice(1, 3)).toEqual([
      "blkdiscard /dev/vg0/data",
      "dd if=/image of=/dev/vg0/data bs=4M iflag=fullblock conv=notrunc,fsync,sparse status=none",
    ]);
  });

  it("clones a thin volume at once", async () => {
    const origin = volume({ name: "origin", pool: "ferrite_pool", content: "theirs", extents: 20 });
    const model = world(POOL, origin);
    const wanted = desired({ thinPool: "ferrite_pool", source: { kind: "clone", origin: "origin" } });
    expect(await run(wanted, model)).toBe("done");
    expect(model.changes).toEqual([
      "lvcreate --snapshot --setactivationskip n --addtag ferrite.uid=u1 --name data vg0/origin",
      "lvextend --extents 25 vg0/data",
    ]);
    expect(model.volume("data").content).toBe("theirs");
  });

  it("checks an image before it is copied", async () => {
    const sha256 = "0".repeat(64);
    const model = world();
    expect(await run(desired({ source: { kind: "url", url: "http://x/y", sha256 } }), model)).toBe("done");
    expect(model.changes.slice(1).map((change) => change.split(" ")[0])).toEqual([
      "curl",
      "sha256sum",
      "dd",
      "rm",
      "lvchange",
    ]);
  });

  it.each([
    { name: "a file system", wanted: desired({ fileSystem: xfs }) },
    { name: "a copy", wanted: desired({ source: { kind: "copy", origin: "origin" } }) },
    { name: "an image", wanted: desired({ source: { kind: "file", path: "/image", sha256: undefined } }) },
  ])("ends well wherever the making of $name is cut off", async ({ wanted }) => {
    const start = () => world(volume({ name: "origin", open: true, content: "theirs" }));
    await survivesCrashes(driver, wanted, start, ({ groups }) => groups);
  });
});

describe("growing a volume", () => {
  const bigger = desired({ sizeBytes: 200 * MIB, fileSystem: ext4 });

  it.each([
    {
      name: "mounted",
      state: { open: true },
      mounts: "/dev/mapper/vg0-data /srv ext4 rw 0 0",
      growth: ["resize2fs /dev/vg0/data"],
    },
    { name: "closed", state: {}, mounts: "", growth: ["e2fsck -f -p /dev/vg0/data", "resize2fs /dev/vg0/data"] },
  ])("grows ext4 that is $name", async ({ state, mounts, growth }) => {
    const model = world(volume(state));
    model.mounts = mounts;
    expect(await run(bigger, model)).toBe("done");
    expect(model.changes).toEqual([
      "lvchange --addtag ferrite.grow-fs vg0/data",
      "lvextend --extents 50 vg0/data",
      ...growth,
      "lvchange --deltag ferrite.grow-fs vg0/data",
    ]);
  });

  it("does not touch a file system that a guest has open, and grows it when the guest is done", async () => {
    const model = world(volume({ open: true }));
    expect(await run(bigger, model)).toBe("done");
    expect(model.changes).toHaveLength(2);
    model.volume("data").open = false;
    expect(await run(bigger, model)).toBe("done");
    expect(model.changes.slice(2)).toContain("resize2fs /dev/vg0/data");
  });

  it("grows xfs only while it is mounted", async () => {
    const model = world(volume());
    expect(await run({ ...bigger, fileSystem: xfs }, model)).toBe("done");
    expect(model.changes.join()).not.toContain("xfs_growfs");
    Object.assign(model.volume("data"), { open: true });
    model.mounts = "/dev/mapper/vg0-data /srv/a\\040b xfs rw 0 0\n";
    expect(await run({ ...bigger, fileSystem: xfs }, model)).toBe("done");
    expect(model.changes.slice(2)).toEqual(["xfs_growfs /srv/a b", "lvchange --deltag ferrite.grow-fs vg0/data"]);
  });

  it("refuses to shrink, and changes nothing", async () => {
    const model = world(volume());
    expect(await run(desired({ sizeBytes: 96 * MIB }), model)).toBe("ShrinkRefused");
    expect(model.changes).toEqual([]);
  });

  it("refuses when the group is full", async () => {
    expect(await run(desired({ sizeBytes: 2048 * MIB }), world(volume()))).toBe("InsufficientSpace");
  });

  it("ends well wherever it is cut off", async () => {
    await survivesCrashes(
      driver,
      bigger,
      () => world(volume()),
      ({ groups }) => groups.map((one) => one.volumes.map(({ extents, tags }) => ({ extents, tags }))),
    );
  });
});

describe("a volume that exists", () => {
  test.each([
    { name: "of another object", there: { tags: ["ferrite.uid=u2"] }, wanted: desired(), reason: "NameTaken" },
    { name: "of nobody", there: { tags: [] }, wanted: desired(), reason: "NameTaken" },
    { name: "with another uuid", there: {}, wanted: desired({ knownUuid: "lv-9" }), reason: "VolumeReplaced" },
    { name: "that is thin", there: { pool: "ferrite_pool" }, wanted: desired(), reason: "VolumeReplaced" },
    { name: "that is part of another", there: { role: "private,pvmove" }, wanted: desired(), reason: "NameTaken" },
    { name: "that LVM calls partial", there: { health: "partial" }, wanted: desired(), reason: "VolumeUnhealthy" },
  ])("$name is refused and left alone", async ({ there, wanted, reason }) => {
    const model = world(POOL, volume(there));
    expect(await run(wanted, model)).toBe(reason);
    expect(model.changes).toEqual([]);
  });

  it("is taken over with its data", async () => {
    const model = world(volume({ tags: ["ganeti"], content: "theirs", layout: "raid,raid1" }));
    expect(await run(desired({ adopt: true }), model)).toBe("done");
    expect(model.changes).toEqual(["lvchange --addtag ferrite.uid=u1 vg0/data"]);
    expect(model.volume("data").content).toBe("theirs");
  });

  it("is activated after a boot", async () => {
    const model = world(volume({ active: false }));
    expect(await run(desired(), model)).toBe("done");
    expect(model.changes).toEqual(["lvchange --activate y --ignoreactivationskip vg0/data"]);
  });
});

it("finds a mount among others", () => {
  const mounts = "proc /proc proc rw 0 0\n/dev/mapper/vg0-da--ta /srv/da\\040ta ext4 rw 0 0\n";
  expect(parseMounts(mounts, ["/dev/mapper/vg0-da--ta"])).toBe("/srv/da ta");
  expect(parseMounts(mounts, ["/dev/mapper/vg0-da"])).toBeUndefined();
});
