import { expect, it } from "vitest";
import { HostReporter } from "../../../agent/host-status.ts";
import type { Executor } from "../../../executors/command/types.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { VirtualClock } from "../../../machinery/virtual-clock.ts";

/** Counts how often the disks are asked for; `partitions` is the kernel's list of them. */
class Machine {
  partitions = "vda\n";
  looks = 0;

  readonly exec: Executor = {
    run: async ({ argv }) => {
      if (argv[0] === "lsblk") this.looks += 1;
      return { exitCode: 0, stdout: argv[0] === "lsblk" ? '{"blockdevices":[]}' : "LVM version: 2.03\n", stderr: "" };
    },
    write: () => Promise.reject(new Error("only looks")),
    realPath: async (path) => path,
    read: async (path) =>
      ({
        "/proc/partitions": this.partitions,
        "/proc/meminfo": "MemTotal: 1000 kB\n",
        "/proc/cpuinfo": "processor\t: 0\n",
        "/proc/sys/kernel/random/boot_id": "b1\n",
        "/proc/sys/kernel/hostname": "alpha\n",
        "/proc/sys/kernel/osrelease": "6.1.0\n",
        "/sys/module/drbd/version": "8.4.11\n",
      })[path],
  };
}

it("asks for the disks when the kernel's list of them changes, until udev has named them, and now and then", async () => {
  const machine = new Machine();
  const clock = new VirtualClock();
  const host = {
    apiVersion: "ferrite.dev/v1alpha1",
    kind: "Host",
    metadata: { name: "alpha" },
    spec: { memoryReserve: "0" },
  };
  const client = { get: async () => host, create: async () => host, apply: async () => host } as never;
  const options = { clock, client, exec: machine.exec, hostName: "alpha", address: "192.0.2.1", agentVersion: "1" };
  const reporter = new HostReporter({ ...options, log: silentLogger, guests: async () => [] });
  const looksIn = async (seconds: number) => {
    const before = machine.looks;
    for (let passed = 0; passed < seconds; passed += 15) {
      await reporter.report(new AbortController().signal);
      await clock.advance(15_000);
    }
    return machine.looks - before;
  };
  expect(await looksIn(60)).toBe(3);
  expect(await looksIn(240)).toBe(2);
  machine.partitions = "vda\nvdb\n";
  expect(await looksIn(15)).toBe(1);
});
