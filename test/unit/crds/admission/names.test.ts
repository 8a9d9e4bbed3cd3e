import { expect, it, test } from "vitest";
import { admissionReads, admit } from "../../../../crds/admission/admit.ts";
import { onDiskName, onDiskNameProblem } from "../../../../crds/on-disk-name.ts";
import { creating, lister, object } from "./world.ts";

test.each([
  ["default", "data", "data", undefined],
  ["team", "data", "team.data", undefined],
  ["default", "snapshot1", "snapshot1", 'begin with "snapshot"'],
  ["default", "pvmove0", "pvmove0", 'begin with "pvmove"'],
  ["snapshots", "data", "snapshots.data", 'begin with "snapshot"'],
  ["n".repeat(30), "a".repeat(32), `${"n".repeat(30)}.${"a".repeat(32)}`, undefined],
  ["n".repeat(30), "a".repeat(33), `${"n".repeat(30)}.${"a".repeat(33)}`, "64 characters"],
])("%s/%s is %s on disk", (namespace, name, expected, problem) => {
  expect(onDiskName(namespace, name)).toBe(expected);
  if (problem === undefined) expect(onDiskNameProblem(expected)).toBeUndefined();
  else expect(onDiskNameProblem(expected)).toContain(problem);
});

it("refuses names that LVM keeps for itself", () => {
  const errors = admit(creating(object("Volume", "snapshot1", { volumeGroupRef: { name: "vg" } })), lister());
  expect(errors.map(({ field }) => field)).toEqual(["metadata.name"]);
});

it("refuses a Snapshot named like a Volume, and a Volume named like a Snapshot", () => {
  const volume = object("Volume", "data", { volumeGroupRef: { name: "vg" } });
  const snapshot = object("Snapshot", "data", { volumeRef: { name: "other" } });
  expect(admit(creating(snapshot), lister(volume))).toHaveLength(1);
  expect(admit(creating(volume), lister(snapshot))).toHaveLength(1);
  expect(admit(creating(snapshot), lister(snapshot))).toEqual([]);
});

it("says what it must be able to read", () => {
  expect(admissionReads("imports").map(({ plural }) => plural)).toEqual(
    expect.arrayContaining(["imports", "exports", "mirrors", "volumes", "volumegroups"]),
  );
  expect(admissionReads("allocations")).toEqual([]);
});
