import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { localExecutor } from "../../../executors/command/local.ts";
import type { Command, Executor } from "../../../executors/command/types.ts";
import { guestFiles } from "../../../executors/vm/qemu/files.ts";
import { qemuHypervisor } from "../../../executors/vm/qemu/hypervisor.ts";
import { ensureImage } from "../../../hack/lab/image.ts";
import { enterNetwork, type NetworkState, startNetwork } from "../../../hack/lab/network.ts";
import { kill } from "../../../hack/lab/process.ts";
import { systemClock } from "../../../machinery/clock.ts";
import type { VirtualMachineSpec } from "../../../crds/generated/virtual-machine.ts";
import { TestHost, Store, volumeOn, vmOf } from "../../unit/reconcilers/virtual-machine/world.ts";

/**
 * Real QEMU guests on this very machine, in a network namespace of their own, driven by the reconciler that the agent
 * runs. Needs root, for a loop device and taps.
 */
const UID = "5eed0000-0000-4000-8000-000000000001";
const ADDRESS = "10.77.0.50";
const signal = new AbortController().signal;
let folder: string;
let device: string;
let network: NetworkState;
let store: Store;
let alpha: TestHost;

const inNetwork: Executor = {
  ...localExecutor,
  run: (command, stop) =>
    localExecutor.run({ ...command, argv: enterNetwork(network, command.argv) as unknown as Command["argv"] }, stop),
};
const hypervisor = qemuHypervisor({ exec: inNetwork, clock: systemClock, systemd: false });
/** Seconds of the machine's uptime, as the agents see it. */
let uptime = 1000;
const agent = () => {
  const host = new TestHost("alpha", store, { hypervisor, exec: inNetwork });
  host.uptime = uptime;
  host.volumes = [{ ...volumeOn("alpha"), status: { hostName: "alpha", devicePath: device } }];
  return host;
};
const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" });

beforeAll(async () => {
  const { kernel, root } = await ensureImage();
  folder = mkdtempSync(join(tmpdir(), "ferrite-guest-"));
  // Where VirtualMachines may have their files.
  mkdirSync("/var/lib/ferrite/images/test-guest", { recursive: true });
  run("cp", kernel, "/var/lib/ferrite/images/test-guest/vmlinux");
  run("debugfs", "-R", "dump /boot/guests/initrd /var/lib/ferrite/images/test-guest/initrd", root);
  writeFileSync("/var/lib/ferrite/images/test-guest/nothing", "nothing");
  mkdirSync(join(folder, "www"));
  writeFileSync(join(folder, "www/index.html"), "from the disk\n");
  run("truncate", "-s", "32M", join(folder, "disk"));
  run("mke2fs", "-q", "-t", "ext4", "-d", join(folder, "www"), join(folder, "disk"));
  device = run("losetup", "--find", "--show", "--direct-io=on", join(folder, "disk")).trim();
  network = await startNetwork("root", folder, true, 0);
  store = new Store();
  const vm = vmOf(SPEC);
  store.put({ ...vm, metadata: { ...vm.metadata, uid: UID } });
  alpha = agent();
});
afterAll(async () => {
  for (const instance of await mine()) await hypervisor.destroy(instance, signal);
  await gone();
  if (device !== undefined) run("losetup", "--detach", device);
  if (network?.holder !== undefined) await kill(network.holder);
  const files = guestFiles(UID, "web");
  for (const path of [folder, files.directory, files.consoleLog, "/var/lib/ferrite/images/test-guest"])
    rmSync(path, { recursive: true, force: true });
});

const SPEC: Partial<VirtualMachineSpec> = {
  memory: { size: "112Mi" },
  boot: {
    kernel: "/var/lib/ferrite/images/test-guest/vmlinux",
    initrd: "/var/lib/ferrite/images/test-guest/initrd",
    cmdline: `console=ttyS0 quiet mitigations=off nokaslr no_timer_check cryptomgr.notests guest.address=${ADDRESS}/24`,
  },
  disks: [{ target: "vda", source: { volumeRef: { name: "disk" } }, readOnly: false }],
  networks: [{ bridge: "br0" }],
};
const mine = async () => (await hypervisor.list(signal)).filter(({ uid }) => uid === UID);
const ids = async () => (await mine()).map(({ id }) => id);
const PATIENCE = { timeout: 300_000, interval: 500 };
const gone = () => vi.waitFor(async () => expect(await ids()).toEqual([]), PATIENCE);
async function page(path: string): Promise<string> {
  const url = `http://${ADDRESS}/${path}`;
  const command = { kind: "run", mutates: false, argv: ["curl", "-s", "-m", "5", url] } as const;
  return (await inNetwork.run(command, signal).catch(() => ({ stdout: "" }))).stdout;
}
const starts = async () => (await page("starts")).split("\n").length - 1;

describe("a guest of real QEMU", () => {
  it("runs, and serves a page from its disk over its bridge", async () => {
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Running" });
    await expect.poll(() => page("index.html"), PATIENCE).toBe("from the disk\n");
    expect(await starts()).toBe(1);
    expect(readFileSync(guestFiles(UID, "web").consoleLog, "utf8")).toContain("GUEST-READY");
  });

  it("is found again by an agent that knows nothing, and left alone", async () => {
    const before = await ids();
    const anew = agent();
    await anew.pass();
    expect(anew.condition()).toMatchObject({ status: "True", reason: "Running" });
    expect(await ids()).toEqual(before);
  });

  it("gives memory back while it runs", async () => {
    store.change({ memory: { size: "104Mi" } });
    await alpha.pass();
    const [instance] = await mine();
    const memory = async () => (await hypervisor.inspect(instance!, signal)).memoryBytes;
    await expect.poll(memory, PATIENCE).toBe(104 * 2 ** 20);
    store.change({ memory: { size: "112Mi" } });
  });

  it("is started again when it dies, once, although two agents see it", async () => {
    const [instance] = await mine();
    await inNetwork.run({ kind: "run", mutates: true, argv: ["kill", "-9", instance!.id.split("/")[0]!] }, signal);
    await gone();
    uptime += 10;
    alpha = agent();
    await Promise.allSettled([agent().pass(), agent().pass()]);
    expect(await mine()).toHaveLength(1);
    await alpha.pass();
    await expect.poll(starts, PATIENCE).toBe(2);
    expect(await mine()).toHaveLength(1);
  });

  it("is not started twice by anybody: its pid file and its disk are locked", async () => {
    const spec = { uid: UID, name: "web", cpus: 1, memoryBytes: 2 ** 26, networks: [] };
    const boot = { kind: "firmware", firmware: "BIOS", cdrom: undefined } as const;
    const disks = [{ target: "vda", device, readOnly: false }];
    await expect(hypervisor.prepare({ ...spec, boot, disks: [] }, signal)).rejects.toThrow(/pid file/i);
    const other = { ...spec, uid: UID.replace(/1$/, "2"), name: "other", boot, disks };
    await expect(hypervisor.prepare(other, signal)).rejects.toThrow(/lock/i);
    await hypervisor.forget(other.uid, signal);
  });

  it("shuts down when it is asked, and its record is given back", async () => {
    store.change({ runStrategy: "Halted" });
    // A guest that is still starting misses the button; each pass presses it again.
    const asked = async () => {
      await alpha.pass();
      return alpha.condition()?.reason;
    };
    await expect.poll(asked, PATIENCE).toBe("Halted");
    expect(await mine()).toEqual([]);
    expect(alpha.condition()).toMatchObject({ status: "True", reason: "Halted" });
    expect(store.get().status?.run?.hostName).toBeUndefined();
    expect(readFileSync(guestFiles(UID, "web").consoleLog, "utf8")).toContain("GUEST-OFF");
  });

  it("says what QEMU says when the kernel is none", async () => {
    uptime += 1000;
    alpha = agent();
    const boot = { kernel: "/var/lib/ferrite/images/test-guest/nothing" };
    store.change({ runStrategy: "Always", boot });
    await alpha.pass();
    expect(alpha.condition()).toMatchObject({ status: "False", reason: "StartFailed" });
    expect(alpha.condition()?.message).toMatch(/QEMU did not start it: .*kernel/);
    expect(await mine()).toEqual([]);
  });
});
