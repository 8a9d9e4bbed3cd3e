import { readFileSync } from "node:fs";
import { expect, it, test } from "vitest";
import { DrbdParseError } from "../../../../executors/drbd/parse-events.ts";
import { parseShow } from "../../../../executors/drbd/parse-show.ts";

/** What drbd-utils 9.22.0 printed over the kernel's DRBD 8.4.11. */
const recorded = (name: string): string =>
  JSON.parse(readFileSync(`test/fixtures/drbd/9.22.0-kernel-8.4.11/${name}.json`, "utf8")).stdout;

it("reads the settings that differ from the defaults, the minor and the device below", () => {
  const shown = parseShow(recorded("drbdsetup-show"));
  expect([...shown.keys()]).toEqual(["r0"]);
  const r0 = shown.get("r0")!;
  expect(r0).toMatchObject({ minor: 1000, backing: "/dev/disk/by-id/virtio-alpha-disk1-part1" });
  expect(Object.fromEntries(r0.disk)).toEqual({ "resync-rate": "4096k", "al-extents": "67", "c-plan-ahead": "0" });
  expect(r0.net.get("connect-int")).toBe("3");
});

it("reads all settings", () => {
  const r0 = parseShow(recorded("drbdsetup-show-defaults")).get("r0")!;
  expect(r0.options.get("on-no-data-accessible")).toBe("io-error");
  expect(r0.net.get("protocol")).toBe("C");
  expect(r0.net.get("shared-secret")).toBe("");
  expect(r0.disk.get("fencing")).toBe("dont-care");
});

it("knows no resources from no words", () => {
  expect(parseShow(recorded("drbdsetup-show-unconfigured")).size).toBe(0);
});

it("keeps the sections of two resources apart", () => {
  const one = recorded("drbdsetup-show");
  const two = parseShow(one + one.replaceAll("r0", "r1").replace("minor 1000", "minor 1001"));
  expect([...two].map(([name, { minor }]) => [name, minor])).toEqual([
    ["r0", 1000],
    ["r1", 1001],
  ]);
});

test.each([
  ["cut in the middle", (text: string) => text.slice(0, text.length / 2)],
  ["with a line that is neither", (text: string) => text.replace("connect-int     \t3;", "connect-int: 3")],
  ["with something else than resources", (text: string) => text.replace("resource r0", "pool p0")],
])("takes no output %s", (_name, spoil) => {
  expect(() => parseShow(spoil(recorded("drbdsetup-show")))).toThrow(DrbdParseError);
});
