import fc from "fast-check";
import { expect, it, test } from "vitest";
import { checkScope, reportCommand } from "../../../../executors/lvm/commands.ts";
import { roundUpToExtents, thinPoolFootprint } from "../../../../executors/lvm/extents.ts";
import { probeDevice } from "../../../../executors/lvm/probe.ts";
import { replayExecutor } from "../../../../executors/command/tape.ts";

const MIB = 2 ** 20;
const never = new AbortController().signal;

it("rounds up by less than an extent, and whole extents not at all", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 45 }), fc.constantFrom(MIB, 4 * MIB, 32 * MIB), (size, extent) => {
      const rounded = roundUpToExtents(size, extent);
      expect(rounded % extent).toBe(0);
      expect(rounded - size).toBeGreaterThanOrEqual(0);
      expect(rounded - size).toBeLessThan(extent);
      expect(roundUpToExtents(rounded, extent)).toBe(rounded);
    }),
  );
});

test.each([
  // 100 MiB in chunks of 64 KiB: the least metadata, one extent, twice.
  { sizeBytes: 100 * MIB, expected: 108 * MIB },
  // 1 TiB: 2^24 chunks of 64 bytes are 1 GiB of metadata, twice.
  { sizeBytes: 2 ** 40, expected: 2 ** 40 + 2 * 2 ** 30 },
])("a thin pool of $sizeBytes takes $expected", ({ sizeBytes, expected }) => {
  expect(thinPoolFootprint(sizeBytes, 4 * MIB)).toBe(expected);
});

it("shows LVM the given devices and nothing else", () => {
  const [, , , config] = reportCommand(["/dev/disk/by-id/ata-X.1", "/dev/sdb"]).argv;
  expect(config).toContain('filter=["a|^/dev/disk/by-id/ata-X[.]1$|","a|^/dev/sdb$|","r|.*|"]');
  expect(config).toContain("use_devicesfile=0 scan_lvs=0");
});

test.each(['/dev/sd"b', "/dev/sd|b", "sdb", "/dev/a b", ""])("refuses %j as a device", (path) => {
  expect(() => checkScope([path])).toThrow("is not a path of a device");
});

test.each([
  {
    name: "is not there",
    exitCode: 1,
    stderr: "wipefs: error: /dev/x: probing initialization failed: No such file or directory",
    present: "no",
  },
  {
    name: "cannot be read",
    exitCode: 1,
    stderr: "wipefs: error: /dev/x: probing initialization failed: Input/output error",
    present: "unknown",
  },
])("a device that $name is present: $present", async ({ exitCode, stderr, present }) => {
  const tape = [
    { kind: "run" as const, argv: ["wipefs", "--no-act", "--json", "/dev/x"], exitCode, stdout: "", stderr },
  ];
  expect(await probeDevice("/dev/x", "/dev/x", replayExecutor(tape), never)).toMatchObject({
    present,
    holdsData: "unknown",
  });
});

test.each([
  { name: "zeros", exitCode: 0, stderr: "", holdsData: "no" },
  { name: "other bytes", exitCode: 1, stderr: "", holdsData: "yes" },
  { name: "an early end", exitCode: 1, stderr: "cmp: EOF on /dev/x after byte 512, in line 1", holdsData: "unknown" },
  { name: "an I/O error", exitCode: 2, stderr: "cmp: /dev/x: Input/output error", holdsData: "unknown" },
])("$name at the beginning mean that it holds data: $holdsData", async ({ exitCode, stderr, holdsData }) => {
  // Printed by wipefs of util-linux 2.38.1 for a device without signatures.
  const none = '{\n   "signatures": [\n\n   ]\n}\n';
  const tape = [
    { kind: "run" as const, argv: ["wipefs", "--no-act", "--json", "/dev/x"], exitCode: 0, stdout: none, stderr: "" },
    {
      kind: "run" as const,
      argv: ["cmp", "--bytes=1048576", "--", "/dev/x", "/dev/zero"],
      exitCode,
      stdout: "",
      stderr,
    },
    {
      kind: "run" as const,
      argv: ["lsblk", "--json", "--output", "PATH,KNAME,TYPE,MOUNTPOINTS", "/dev/x"],
      exitCode: 0,
      stdout: '{"blockdevices":[{"path":"/dev/x","kname":"x","type":"disk","mountpoints":[null]}]}',
      stderr: "",
    },
    { kind: "read" as const, path: "/sys/module/drbd/version", content: undefined },
  ];
  const player = replayExecutor(tape);
  expect(await probeDevice("/dev/x", "/dev/x", player, never)).toMatchObject({ present: "yes", holdsData });
  player.assertDrained();
});
