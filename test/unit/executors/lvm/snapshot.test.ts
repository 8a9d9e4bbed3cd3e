import { describe, expect, it, test } from "vitest";
import { observeVolume } from "../../../../executors/lvm/logical-volume.ts";
import { planVolumeRemoval } from "../../../../executors/lvm/removal.ts";
import { type DesiredSnapshot, snapshotDriver } from "../../../../executors/lvm/snapshot.ts";
import { converge } from "./converge.ts";
import { group, LvmModel, MIB, type Volume, volume } from "../../../../executors/model/lvm.ts";

const desired = (overrides: Partial<DesiredSnapshot> = {}): DesiredSnapshot => ({
  group: "vg0",
  name: "snap",
  uid: "s1",
  origin: "data",
  sizeBytes: 40 * MIB,
  knownUuid: undefined,
  ...overrides,
});
const target = { group: "vg0", name: "snap", scope: ["/dev/sdb"] };
const run = (wanted: DesiredSnapshot, model: LvmModel) => converge(snapshotDriver(target), wanted, model);
const world = (...volumes: Volume[]) => new LvmModel().withGroup(group({ volumes }));
const snap = (overrides: Partial<Volume> = {}) =>
  volume({
    name: "snap",
    uuid: "lv-snap",
    tags: ["ferrite.uid=s1"],
    role: "public,snapshot,thicksnapshot",
    origin: "data",
    extents: 10,
    ...overrides,
  });
const thin = (overrides: Partial<Volume> = {}) => volume({ pool: "ferrite_pool", layout: "thin,sparse", ...overrides });

describe("a snapshot", () => {
  it("of a thick volume gets room for changes, and more of it", async () => {
    const model = world(volume());
    expect(await run(desired(), model)).toBe("done");
    expect(await run(desired({ sizeBytes: 80 * MIB }), model)).toBe("done");
    expect(model.changes).toEqual([
      "lvcreate --type snapshot --extents 10 --addtag ferrite.uid=s1 --name snap vg0/data",
      "lvextend --extents 20 vg0/snap",
    ]);
  });

  it("of a thin volume needs none", async () => {
    const model = world(thin());
    expect(await run(desired({ sizeBytes: undefined }), model)).toBe("done");
    expect(model.changes).toEqual([
      "lvcreate --snapshot --setactivationskip n --addtag ferrite.uid=s1 --name snap vg0/data",
    ]);
  });

  test.each([
    { name: "without a volume", model: world(), wanted: desired(), reason: "SourceMissing" },
    {
      name: "of a volume that is not filled",
      model: world(volume({ tags: ["ferrite.unfilled"] })),
      wanted: desired(),
      reason: "SourceNotReady",
    },
    {
      name: "of a thick volume without a size",
      model: world(volume()),
      wanted: desired({ sizeBytes: undefined }),
      reason: "SizeRequired",
    },
    { name: "of a thin volume with a size", model: world(thin()), wanted: desired(), reason: "SizeNotAllowed" },
    {
      name: "larger than the group",
      model: world(volume()),
      wanted: desired({ sizeBytes: 1020 * MIB }),
      reason: "InsufficientSpace",
    },
    {
      name: "that was taken once and is gone",
      model: world(volume()),
      wanted: desired({ knownUuid: "x" }),
      reason: "SnapshotLost",
    },
    {
      name: "taken of another moment",
      model: world(volume(), snap()),
      wanted: desired({ knownUuid: "x" }),
      reason: "SnapshotLost",
    },
    { name: "whose name is taken", model: world(volume(), snap({ tags: [] })), wanted: desired(), reason: "NameTaken" },
    {
      name: "of another volume",
      model: world(volume(), snap({ origin: "other" })),
      wanted: desired(),
      reason: "NameTaken",
    },
    {
      name: "that overflowed",
      model: world(volume(), snap({ invalid: true })),
      wanted: desired(),
      reason: "SnapshotOverflowed",
    },
  ])("$name is refused", async ({ model, wanted, reason }) => {
    expect(await run(wanted, model)).toBe(reason);
    expect(model.changes).toEqual([]);
  });
});

describe("removing", () => {
  const removal = async (model: LvmModel, policy: "Delete" | "Retain" | "Orphan", name = "data", uid = "u1") => {
    const observed = await observeVolume({ ...target, name }, model, new AbortController().signal);
    const plan = planVolumeRemoval({ group: "vg0", name, uid, policy }, observed);
    return plan.kind === "blocked" ? plan.reason : plan.steps.map(({ why }) => why);
  };

  test.each([
    { name: "deletes", volumes: [volume()], policy: "Delete", expected: ["remove vg0/data"] },
    { name: "retains", volumes: [volume()], policy: "Retain", expected: ["deactivate vg0/data"] },
    { name: "has retained", volumes: [volume({ active: false })], policy: "Retain", expected: [] },
    {
      name: "deletes what is inactive",
      volumes: [volume({ active: false })],
      policy: "Delete",
      expected: ["remove vg0/data"],
    },
    { name: "orphans", volumes: [volume({ open: true })], policy: "Orphan", expected: [] },
    { name: "is done the second time", volumes: [], policy: "Delete", expected: [] },
    {
      name: "leaves what belongs to another",
      volumes: [volume({ tags: ["ferrite.uid=u2"] })],
      policy: "Delete",
      expected: [],
    },
    { name: "leaves what belongs to nobody", volumes: [volume({ tags: [] })], policy: "Delete", expected: [] },
    { name: "waits for whoever uses it", volumes: [volume({ open: true })], policy: "Delete", expected: "DeviceInUse" },
    { name: "keeps what has thick snapshots", volumes: [volume(), snap()], policy: "Delete", expected: "HasSnapshots" },
    {
      name: "lets thin snapshots live on",
      volumes: [thin(), snap({ role: "public,snapshot,thinsnapshot", pool: "ferrite_pool" })],
      policy: "Delete",
      expected: ["remove vg0/data"],
    },
  ] as const)("$name", async ({ volumes, policy, expected }) => {
    expect(await removal(world(...structuredClone([...volumes])), policy)).toEqual(expected);
  });

  it("concludes nothing from a group that is not there", async () => {
    expect(await removal(new LvmModel().withDisk("/dev/sdb"), "Delete")).toBe("VolumeGroupMissing");
  });
});
