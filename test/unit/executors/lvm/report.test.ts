import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { LvmParseError, parseReport } from "../../../../executors/lvm/report.ts";

/** Recorded on loop devices without device-mapper (`--driverloaded n`): LVM cannot say what the kernel has. */
const printed = (name: string): string =>
  JSON.parse(readFileSync(`test/fixtures/lvm/2.03.16/report-loop-${name}.json`, "utf8")).stdout;
const recorded = (name: string) => parseReport(printed(name));

describe("parseReport, of LVM 2.03.16", () => {
  it("reads a volume group, its volumes, and a physical volume in no group", () => {
    const { groups, orphans } = recorded("group-and-orphan");
    expect(groups).toEqual([
      {
        name: "vg0",
        uuid: "80RLC2-BVXR-BZBX-kG7m-r2AX-5qLs-m7A4RK",
        sizeBytes: 528482304,
        freeBytes: 490733568,
        extentSizeBytes: 4194304,
        exported: false,
        tags: ["ferrite.vg=1-2-3"],
        physicalVolumes: [
          expect.objectContaining({ device: "/dev/loop0", usedBytes: 37748736, dataOffsetBytes: 1048576 }),
          expect.objectContaining({ device: "/dev/loop1", usedBytes: 0, deviceBytes: 268435456 }),
        ],
        logicalVolumes: [
          expect.objectContaining({
            name: "data",
            sizeBytes: 37748736,
            tags: ["ferrite.new", "ferrite.uid=abc"],
            role: ["public"],
            active: "unknown",
            open: "unknown",
            origin: undefined,
            dataPercent: undefined,
          }),
        ],
      },
    ]);
    expect(orphans.map(({ device }) => device)).toEqual(["/dev/loop2"]);
  });

  it("keeps a missing physical volume by its uuid", () => {
    const [group] = recorded("missing-device").groups;
    expect(group?.physicalVolumes.map(({ device, uuid }) => [device, uuid])).toEqual([
      ["/dev/loop0", "nyGsVp-eehL-ehDM-UUF5-mfyA-D3a6-XNq70S"],
      [undefined, "y1GVzU-5v4N-b7m8-UYjF-OmwG-2nxW-bkX5Av"],
    ]);
  });

  it("takes the brackets off hidden volumes", () => {
    const [group] = recorded("move-in-progress").groups;
    expect(group?.logicalVolumes.find(({ role }) => role.includes("pvmove"))?.name).toBe("pvmove0");
  });

  it("is empty when LVM may see nothing", () => {
    expect(recorded("no-devices")).toEqual({ groups: [], orphans: [] });
  });

  const text = printed("missing-device");
  test.each([
    { name: "nothing", broken: "" },
    { name: "half a report", broken: text.slice(0, text.length / 2) },
    { name: "JSON without a report", broken: "{}" },
    { name: "null", broken: "null" },
    { name: "a column left out", broken: text.replaceAll('"vg_extent_size"', '"other"') },
    { name: "a size with a unit", broken: text.replaceAll('"vg_size":"528482304"', '"vg_size":"504.00m"') },
    { name: "a column that is not binary", broken: text.replaceAll('"pv_missing":"1"', '"pv_missing":"missing"') },
    {
      name: "a missing device that is not shown",
      broken: text.replaceAll('"vg_missing_pv_count":"1"', '"vg_missing_pv_count":"2"'),
    },
  ])("refuses $name", ({ broken }) => {
    expect(() => parseReport(broken)).toThrow(LvmParseError);
  });
});
