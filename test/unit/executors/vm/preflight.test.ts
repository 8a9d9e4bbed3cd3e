import { expect, it, test } from "vitest";
import { CommandError } from "../../../../executors/command/errors.ts";
import type { Executor } from "../../../../executors/command/types.ts";
import { parseBridges } from "../../../../executors/vm/network.ts";
import { userOf } from "../../../../executors/vm/preflight.ts";
import { chooseAccelerator } from "../../../../executors/vm/qemu/accelerator.ts";

test.each([
  { name: "no bridge", stdout: "", bridges: [] },
  { name: "no bridge among links", stdout: "[{},{},{}]\n", bridges: [] },
  {
    name: "iproute2 6.1",
    stdout: '[{},{"ifindex":3,"ifname":"br0","flags":["UP"],"mtu":1500},{"ifname":"lan"}]\n',
    bridges: ["br0", "lan"],
  },
])("parseBridges: $name", ({ stdout, bridges }) => {
  expect(parseBridges(stdout)).toEqual(bridges);
});

test.each([
  { name: "nobody", nodes: [{ path: "/dev/drbd1000", mountpoint: null }], user: undefined },
  { name: "a mount", nodes: [{ path: "/dev/drbd1000", mountpoint: "/srv" }], user: "it is mounted at /srv" },
  {
    name: "LVM on it",
    nodes: [{ path: "/dev/vdb", children: [{ path: "/dev/mapper/vg-a", type: "lvm", mountpoint: null }] }],
    user: "/dev/mapper/vg-a is made of it",
  },
  {
    name: "its partitions alone",
    nodes: [{ path: "/dev/vdb", children: [{ path: "/dev/vdb1", type: "part", mountpoint: null }] }],
    user: undefined,
  },
  {
    name: "a mounted partition",
    nodes: [{ path: "/dev/vdb", children: [{ path: "/dev/vdb1", type: "part", mountpoint: "/boot" }] }],
    user: "it is mounted at /boot",
  },
])("userOf: $name", ({ nodes, user }) => {
  expect(userOf(nodes)).toBe(user);
});

test.each([
  { name: "runs instructions", exitCode: 85, chosen: "kvm" },
  { name: "is refused", exitCode: 1, chosen: "tcg" },
  { name: "ends without a word", exitCode: 0, chosen: "tcg" },
  { name: "never comes back", exitCode: -1, unknown: "timed out", chosen: "tcg" },
])("emulates unless KVM really works: it $name", async ({ exitCode, unknown, chosen }) => {
  let firmware = "";
  const exec: Executor = {
    run: (command) => {
      const output = { exitCode, stdout: "", stderr: "" };
      if (exitCode === 0) return Promise.resolve(output);
      return Promise.reject(
        new CommandError(command, output, unknown === undefined ? {} : { outcomeUnknown: unknown }),
      );
    },
    write: async ({ content }) => {
      firmware = content;
    },
    read: () => Promise.resolve(undefined),
    realPath: (path) => Promise.resolve(path),
  };
  expect(await chooseAccelerator(exec, new AbortController().signal)).toBe(chosen);
  expect(Buffer.byteLength(firmware)).toBe(65_536);
});

it("does not hide a tool that cannot be started", async () => {
  const exec = {
    run: () => Promise.reject(new TypeError("bug")),
    write: () => Promise.resolve(),
  } as unknown as Executor;
  await expect(chooseAccelerator(exec, new AbortController().signal)).rejects.toThrow("bug");
});
