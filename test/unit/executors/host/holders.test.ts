import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { CommandError } from "../../../../executors/command/errors.ts";
import type { Command, Executor } from "../../../../executors/command/types.ts";
import {
  claims,
  inUseMessage,
  observeClaims,
  observeHolders,
  type parseBlockTree,
  saysBusy,
} from "../../../../executors/host/holders.ts";

const fixture = (path: string) =>
  JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../fixtures", path), "utf8")) as {
    readonly argv: [string, ...string[]];
    readonly exitCode: number;
    readonly stdout: string;
    readonly stderr: string;
  };
type Node = NonNullable<ReturnType<typeof parseBlockTree>>;
/** Everything that a machine in use has, as recorded. */
const recorded = (JSON.parse(fixture("util-linux/2.38.1/lsblk-used.json").stdout) as { blockdevices: Node[] })
  .blockdevices;
const never = new AbortController().signal;

it.each([
  ["/dev/vdc", ["/dev/mapper/vg0-data"]],
  ["/dev/vdd", ["mounted at /mnt/x"]],
  ["/dev/vde", []],
])("names what the kernel keeps %s for: %j", (path, expected) => {
  expect(claims(recorded.find((node) => node.path === path)!, new Map())).toEqual(expected);
});

it("counts a partition only when it is in use itself", () => {
  const part = (kname: string, mountpoint: string | null): Node => ({
    path: `/dev/${kname}`,
    kname,
    type: "part",
    mountpoints: [mountpoint],
  });
  const disk = { path: "/dev/sda", kname: "sda", type: "disk", children: [part("sda1", null), part("sda2", "[SWAP]")] };
  expect(claims(disk, new Map())).toEqual(["/dev/sda2 used as swap"]);
  expect(claims(disk, new Map([["sda1", "/dev/drbd1000"]]))).toEqual([
    "/dev/sda1 /dev/drbd1000",
    "/dev/sda2 used as swap",
  ]);
});

it("names processes, although some end while it looks", async () => {
  const exec: Executor = {
    async run(command: Command) {
      const tree = { blockdevices: [{ path: "/dev/mapper/vg-a", kname: "dm-3", type: "lvm", mountpoints: [null] }] };
      if (command.argv[0] === "lsblk") return { exitCode: 0, stdout: JSON.stringify(tree), stderr: "" };
      expect(command.argv).toContain("/dev/dm-3");
      throw new CommandError(command, {
        exitCode: 1,
        stdout: "/proc/71/fd\n/proc/71/fd\n/proc/80/fd\n",
        stderr: "find: '/proc/99/fd': No such file or directory",
      });
    },
    realPath: (path) => Promise.resolve(path),
    write: () => Promise.reject(new Error("only looks")),
    read: async (path) => (path === "/proc/71/comm" ? "qemu-system-x86\n" : undefined),
  };
  const holders = await observeHolders("/dev/vg/a", exec, never);
  expect(inUseMessage("/dev/vg/a", holders)).toBe(
    "/dev/vg/a is in use: qemu-system-x86 (process 71), a process (process 80)",
  );
});

it("names the mirror that DRBD has on a device, by whatever link it was attached", async () => {
  const lsblk = { blockdevices: [{ path: "/dev/vdb", kname: "vdb", type: "disk", mountpoints: [null] }] };
  const show = fixture("drbd/9.22.0-kernel-8.4.11/drbdsetup-show.json").stdout;
  const exec: Executor = {
    async run({ argv }: Command) {
      const stdout = argv[0] === "lsblk" ? JSON.stringify(lsblk) : show;
      return { exitCode: 0, stdout, stderr: "" };
    },
    realPath: async (path) => (path === "/dev/disk/by-id/virtio-alpha-disk1-part1" ? "/dev/vdb" : path),
    write: () => Promise.reject(new Error("only looks")),
    read: async (path) => (path === "/sys/module/drbd/version" ? "8.4.11" : undefined),
  };
  expect(await observeClaims("/dev/vdb", exec, never)).toEqual(["/dev/drbd1000"]);
});

it("knows a refusal for a device in use from any other", () => {
  const failure = (stderr: string) =>
    new CommandError({ kind: "run", argv: ["tool"], mutates: true }, { exitCode: 1, stdout: "", stderr });
  const open = fixture("lvm/2.03.16/lvremove-open.json");
  expect(saysBusy(failure(open.stderr))).toBe(true);
  expect(saysBusy(failure("0: State change failed: (-12) Device is held open by someone\n"))).toBe(true);
  expect(saysBusy(failure("wipefs: error: /dev/vdc: probing initialization failed: Device or resource busy"))).toBe(
    true,
  );
  expect(saysBusy(failure(fixture("lvm/2.03.16/lvcreate-no-space.json").stderr))).toBe(false);
});
