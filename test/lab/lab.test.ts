import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reportCommand } from "../../executors/lvm/commands.ts";
import { parseReport } from "../../executors/lvm/report.ts";
import { ExecTimeout } from "../../hack/lab/channel.ts";
import { guestExecutor } from "../../hack/lab/executor.ts";
import { Lab } from "../../hack/lab/lab.ts";
import { labPaths } from "../../hack/lab/state.ts";

const NAME = "test-lab";
const DISK1 = (name: string) => `/dev/disk/by-id/virtio-${name}-disk1`;
let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start({ name: NAME, diesWithUs: true, log: (line) => console.log(line) });
});
afterAll(async () => lab.stop());

const pings = async (from: "alpha" | "beta" | "gamma", to: string) => {
  const { exitCode } = await lab.guest(from).exec(["ping", "-c1", "-W2", to]);
  return exitCode === 0;
};

/** A neighbour that did not answer a moment ago is not asked again at once. */
const eventuallyPings = (from: "alpha" | "beta" | "gamma", to: string) =>
  expect.poll(() => pings(from, to), { timeout: 30_000 }).toBe(true);

describe("a started lab", () => {
  it("has three machines with names of their own that answer each other", async () => {
    for (const { name } of lab.guests) {
      expect((await lab.guest(name).sh("uname -n")).trim()).toBe(name);
      for (const peer of lab.guests) if (peer.name !== name) expect(await pings(name, peer.name)).toBe(true);
    }
  });

  it("gives clones of one template different random numbers and machine ids", async () => {
    const read = async (path: string) => Promise.all(lab.guests.map((guest) => guest.sh(`cat ${path}`)));
    expect(new Set(await read("/proc/sys/kernel/random/uuid")).size).toBe(3);
    expect(new Set(await read("/proc/sys/kernel/random/boot_id")).size).toBe(3);
    expect(new Set(await read("/etc/machine-id")).size).toBe(3);
    expect(new Set(await read("/sys/class/net/eth0/address")).size).toBe(3);
  });

  it("gives every machine three empty data disks with stable names", async () => {
    for (const { name } of lab.guests) {
      for (const disk of [1, 2, 3]) {
        const path = `/dev/disk/by-id/virtio-${name}-disk${disk}`;
        expect((await lab.guest(name).sh(`lsblk -bdno SIZE ${path}`)).trim()).toBe(String(2 * 1024 ** 3));
        expect((await lab.guest(name).exec(["blkid", "-p", path])).exitCode).toBe(2);
      }
    }
  });

  it("runs the real kernel's DRBD 8.4 and device-mapper", async () => {
    expect(await lab.guest("alpha").sh("cat /proc/drbd")).toContain("version: 8.4.11");
    expect(await lab.guest("beta").sh("dmsetup targets")).toContain("thin-pool");
  });

  it("cannot be started twice under one name", async () => {
    await expect(Lab.start({ name: NAME, diesWithUs: true })).rejects.toThrow(/running already/);
    expect(Lab.find(NAME)).toBe("ready");
  });
});

describe("the command channel", () => {
  it("tells exit code, stdout and stderr apart, and hands stdin over byte for byte", async () => {
    const script = "cat; echo oops >&2; exit 7";
    const stdin = "żółw\n\n  two spaces";
    expect(await lab.guest("alpha").exec(["sh", "-c", script], { stdin })).toEqual({
      exitCode: 7,
      stdout: stdin,
      stderr: "oops\n",
    });
  });

  it("reports a killed program as a shell does, and a missing one as 127", async () => {
    expect((await lab.guest("alpha").exec(["sh", "-c", "kill -9 $$"])).exitCode).toBe(137);
    expect((await lab.guest("alpha").exec(["no-such-program"])).exitCode).toBe(127);
  });

  it("kills a program, and what it started, when its time is up", async () => {
    const alpha = lab.guest("alpha");
    const slow = alpha.exec(["sh", "-c", "sleep 4711; true"], { timeoutMs: 500 });
    await expect(slow).rejects.toThrow(ExecTimeout);
    expect((await alpha.exec(["pgrep", "-f", "sleep 4711"])).stdout).toBe("");
  });

  it("runs several programs at once", async () => {
    const beta = lab.guest("beta");
    await beta.sh("mkfifo /tmp/fifo");
    // Either one alone would wait for ever.
    const [read] = await Promise.all([beta.sh("cat /tmp/fifo"), beta.sh("echo through >/tmp/fifo")]);
    expect(read).toBe("through\n");
  });

  it("carries a megabyte there and back unchanged", async () => {
    const bytes = Buffer.alloc(1_200_000, "0123456789abcdef\n");
    await lab.guest("gamma").putFile("/tmp/big", bytes, 0o600);
    expect((await lab.guest("gamma").getFile("/tmp/big")).equals(bytes)).toBe(true);
    expect((await lab.guest("gamma").sh("stat -c %a /tmp/big")).trim()).toBe("600");
  });
});

describe("power", () => {
  it("keeps what the disks hold through a power cut, and forgets the rest", async () => {
    const alpha = lab.guest("alpha");
    const bootId = await alpha.sh("cat /proc/sys/kernel/random/boot_id");
    expect(await alpha.sh("cat /proc/sys/kernel/random/boot_id")).toBe(bootId);
    await alpha.sh(`echo kept | dd of=${DISK1("alpha")} conv=fsync status=none`);
    await alpha.sh("echo kept >/var/lib/ferrite/fact; sync /var/lib/ferrite/fact; echo lost >/root/fact");
    await alpha.powerOff();
    expect(alpha.isOn()).toBe(false);
    await expect(alpha.exec(["true"])).rejects.toThrow(/is off/);
    expect(await pings("beta", "alpha")).toBe(false);
    await alpha.powerOn();
    expect(await alpha.sh(`head -c5 ${DISK1("alpha")}; cat /var/lib/ferrite/fact`)).toBe("kept\nkept\n");
    expect((await alpha.exec(["test", "-e", "/root/fact"])).exitCode).toBe(1);
    expect(await alpha.sh("cat /proc/sys/kernel/random/boot_id")).not.toBe(bootId);
    await eventuallyPings("beta", "alpha");
  });

  it("lets a machine hang and go on", async () => {
    await lab.guest("beta").pause();
    expect(await pings("alpha", "beta")).toBe(false);
    await lab.guest("beta").resume();
    await eventuallyPings("alpha", "beta");
  });

  it("sees that a machine has switched itself off", async () => {
    const gamma = lab.guest("gamma");
    await gamma.exec(["sh", "-c", "echo o >/proc/sysrq-trigger"]).catch(() => {});
    await expect.poll(() => gamma.isOn(), { timeout: 10_000 }).toBe(false);
    await gamma.powerOn();
    expect((await gamma.sh("uname -n")).trim()).toBe("gamma");
  });
});

describe("a cut link", () => {
  it("stops packets both ways, not the command channel, and can be mended", async () => {
    await lab.guest("alpha").cutLink();
    expect(await pings("alpha", "beta")).toBe(false);
    expect(await pings("beta", "alpha")).toBe(false);
    expect(await pings("beta", "gamma")).toBe(true);
    await lab.guest("alpha").restoreLink();
    await eventuallyPings("alpha", "beta");
  });

  it("stays cut through a power cycle", async () => {
    const alpha = lab.guest("alpha");
    await alpha.cutLink();
    await alpha.powerOff();
    await alpha.powerOn();
    expect(await pings("alpha", "beta")).toBe(false);
    await alpha.restoreLink();
    await eventuallyPings("alpha", "beta");
  });
});

describe("a failed disk", () => {
  const read = () => lab.guest("beta").exec(["dd", `if=${DISK1("beta")}`, "of=/dev/null", "count=8", "iflag=direct"]);
  const write = () => lab.guest("beta").exec(["dd", "if=/dev/zero", `of=${DISK1("beta")}`, "count=8", "oflag=direct"]);

  it("answers EIO to reads and writes, also after a power cycle, until it is healed", async () => {
    const beta = lab.guest("beta");
    await beta.sh(`echo whole | dd of=${DISK1("beta")} conv=fsync status=none`);
    await beta.failDisk(1);
    for (const { exitCode, stderr } of [await read(), await write()]) {
      expect(exitCode).toBe(1);
      expect(stderr).toContain("Input/output error");
    }
    await beta.powerOff();
    await beta.powerOn();
    await expect.poll(async () => (await read()).exitCode).toBe(1);
    await beta.healDisk(1);
    expect(await beta.sh(`dd if=${DISK1("beta")} bs=5 count=1 status=none`)).toBe("whole");
  });

  it("is replaced by an empty one with another serial while the machine runs", async () => {
    const beta = lab.guest("beta");
    await beta.failDisk(1);
    const serial = await beta.replaceDisk(1);
    expect(serial).not.toBe("beta-disk1");
    const path = `/dev/disk/by-id/virtio-${serial}`;
    await expect.poll(async () => (await beta.exec(["test", "-b", path])).exitCode, { timeout: 30_000 }).toBe(0);
    expect((await beta.exec(["test", "-e", DISK1("beta")])).exitCode).toBe(1);
    expect(await beta.sh(`head -c5 ${path} | od -An -tx1`)).toBe(" 00 00 00 00 00\n");
    await beta.sh(`dd if=/dev/zero of=${path} count=8 oflag=direct`);
  });
});

describe("the way to the host", () => {
  it("carries connections to a loopback port of the host, and to nothing else", async () => {
    const server = createServer((request, response) => response.end(`you asked for ${request.url}`));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    await lab.forwardApi(port);
    const ask = () => lab.guest("alpha").exec(["busybox", "wget", "-qO-", `http://api:${port}/x`]);
    await expect.poll(async () => (await ask()).stdout, { timeout: 30_000 }).toBe("you asked for /x");
    // No route out: the machines know their own network only.
    expect((await lab.guest("alpha").exec(["ip", "route", "get", "192.0.2.1"])).exitCode).not.toBe(0);
    server.close();
    server.closeAllConnections();
  });
});

describe("an executor for a machine", () => {
  const signal = new AbortController().signal;

  it("lets a driver of this checkout observe the machine's real LVM", async () => {
    const gamma = lab.guest("gamma");
    const disk = "/dev/disk/by-id/virtio-gamma-disk1";
    await gamma.sh(`vgcreate -q vg0 ${disk}; lvcreate -qy -n data -L 32m vg0`);
    const { stdout } = await guestExecutor(gamma).run(reportCommand(["/dev/vdc", disk]), signal);
    const [group] = parseReport(stdout).groups;
    expect(group?.name).toBe("vg0");
    expect(group?.logicalVolumes.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([["data", 32 * 2 ** 20]]);
  });

  it("has the local executor's errors: exit code, time-out with unknown outcome, absent file", async () => {
    const exec = guestExecutor(lab.guest("gamma"));
    const fails = exec.run({ kind: "run", argv: ["false"], mutates: false }, signal);
    await expect(fails).rejects.toMatchObject({ output: { exitCode: 1 }, outcomeUnknown: false });
    const hangs = exec.run({ kind: "run", argv: ["sleep", "100"], mutates: false, timeoutMs: 300 }, signal);
    await expect(hangs).rejects.toMatchObject({ outcomeUnknown: true });
    await exec.write({ kind: "write", path: "/etc/new/deep/file", content: "text", mode: 0o600 }, signal);
    expect(await exec.read("/etc/new/deep/file", signal)).toBe("text");
    expect(await exec.read("/etc/new/none", signal)).toBeUndefined();
    await expect(exec.read("/etc/new", signal)).rejects.toThrow(/directory/);
  });
});

it("stops without leaving a process, a file or a namespace", async () => {
  const { folder, runtime } = labPaths(NAME);
  const { guests, network } = JSON.parse(readFileSync(`${folder}/lab.json`, "utf8"));
  await lab.stop();
  const pids = [guests.alpha, guests.beta, guests.gamma].map(({ process }) => process.pid as number);
  if (network.holder) pids.push(network.holder.pid);
  for (const pid of pids) {
    const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "gone Z";
    expect(state).toMatch(/ Z|gone/);
  }
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(runtime)).toBe(false);
  expect(Lab.find(NAME)).toBe("absent");
});
