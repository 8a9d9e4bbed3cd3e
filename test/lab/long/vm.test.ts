import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { GuestName } from "../../../hack/lab/state.ts";
import { Fixture } from "../cluster-fixture.ts";

const HOSTS = ["alpha", "beta"] as const;
const ADDRESS = "192.168.77.10";
/** Guests are emulated twice over: for them a second is a long time. */
const GUEST_SECONDS = 240;
let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-vm", HOSTS, { memoryMiB: 768 });
  for (const host of HOSTS) {
    await f.waitFor(`host/${host}`, "condition=Ready");
    await f.patch(`host/${host}`, { spec: { memoryReserve: "256Mi" } });
    await makeBridge(host);
  }
  await f.makeVolumeGroups();
});
afterAll(async () => f.stop());
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const host of HOSTS) {
    console.log(`agent of ${host}:\n${(await f.cluster.agentLog(host)).slice(-5000)}`);
    console.log(await on(host, "free -m; tail -n 20 /var/log/ferrite/guests/* 2>/dev/null || true"));
  }
  console.log(await f.kubectl("get", "virtualmachines,mirrors,hosts", "-o", "wide"));
});

const on = (host: GuestName, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 120_000 });
const until = (what: () => Promise<unknown>, count = 60) =>
  expect.poll(what, { timeout: f.seconds(count) * 1000, interval: 1000 });
const makeBridge = (host: GuestName) =>
  on(
    host,
    `modprobe tun; modprobe bridge; modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null || true
     ip link add br0 type bridge && ip addr add 192.168.77.1/24 dev br0 && ip link set br0 up`,
  );

const guest = (over: Record<string, unknown> = {}) => ({
  hypervisor: "KVM",
  memory: { size: "112Mi" },
  boot: {
    kernel: "/boot/guests/vmlinux",
    initrd: "/boot/guests/initrd",
    cmdline: `console=ttyS0 quiet mitigations=off nokaslr no_timer_check cryptomgr.notests guest.address=${ADDRESS}/24`,
  },
  disks: [{ target: "vda", source: { mirrorRef: { name: "m1" } } }],
  networks: [{ bridge: "br0" }],
  ...over,
});
/** Debian's busybox wget crashes on these machines, and they have no curl. */
const FETCH = `exec 3<>/dev/tcp/${ADDRESS}/80 && printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' "$0" >&3 && sed '1,/^\\r$/d' <&3`;
async function page(host: GuestName, path = "index.html"): Promise<string> {
  const argv = ["timeout", "10", "bash", "-c", FETCH, path];
  return (await f.lab.guest(host).exec(argv)).stdout;
}
/** Ids of the guest's processes on a machine: never more than one. */
const processes = (host: GuestName) => on(host, "pgrep -f 'guest=web -uuid' | tr '\\n' ' '");
const starts = async (host: GuestName) => (await page(host, "starts")).split("\n").length - 1;
const ready = (vm: string) => f.get(`virtualmachine/${vm}`, "{.status.conditions[?(@.type=='Ready')].reason}");

describe("a virtual machine on a mirror's primary", () => {
  it("serves a page from its disk", async () => {
    await f.apply("Mirror", "m1", {
      size: "64Mi",
      replicas: HOSTS.map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
    });
    await f.waitFor("mirror/m1", "condition=Ready", 180);
    const device = await f.get("mirror/m1", "{.status.devicePath}");
    await on(
      "alpha",
      `mkfs.ext4 -q ${device} && mount ${device} /mnt && echo from-the-mirror >/mnt/index.html && umount /mnt`,
    );
    await f.waitFor("mirror/m1", "condition=InSync", 240);
    await f.apply("VirtualMachine", "web", guest());
    await f.waitFor("virtualmachine/web", "condition=Ready", GUEST_SECONDS);
    expect(await f.get("virtualmachine/web", "{.status.hostName} {.status.run.hostName}")).toBe("alpha alpha");
    await until(() => page("alpha"), GUEST_SECONDS).toBe("from-the-mirror\n");
    await until(() => f.get("host/alpha", "{.status.guests[*].name}")).toBe("web");
    expect(await f.get("virtualmachine/web", "{.status.console}")).toMatch(/^on alpha: socat .*console.sock/);
    expect(await on("alpha", "cat /var/log/ferrite/guests/web.log")).toMatch(/GUEST-READY/);
  });

  it("runs on untouched when its agent is killed and started again", async () => {
    const [pid, before] = [await processes("alpha"), await starts("alpha")];
    await f.cluster.killAgent("alpha");
    const served = await page("alpha");
    await f.cluster.startAgent("alpha");
    expect(served).toBe("from-the-mirror\n");
    await f.waitFor("virtualmachine/web", "condition=Ready");
    expect([await processes("alpha"), await starts("alpha")]).toEqual([pid, before]);
  });

  it("is started again when it dies", async () => {
    const [pid, before] = [await processes("alpha"), await starts("alpha")];
    await on("alpha", `kill -9 ${pid}`);
    await until(() => starts("alpha"), GUEST_SECONDS).toBe(before + 1);
    expect(await processes("alpha")).toMatch(/^\d+ $/);
    await f.waitFor("virtualmachine/web", "condition=Ready");
  });

  it("shuts down when asked, and starts on the other side of its mirror", async () => {
    await f.patch("virtualmachine/web", { spec: { runStrategy: "Halted" } });
    await until(() => ready("web"), GUEST_SECONDS).toBe("Halted");
    expect(await on("alpha", "tail -n 5 /var/log/ferrite/guests/web.log")).toMatch(/GUEST-OFF/);
    expect(await processes("alpha")).toBe("");
    const strategy = { runStrategy: "Always", placement: { preferredHost: "beta" } };
    await f.patch("virtualmachine/web", { spec: strategy });
    await f.waitFor("virtualmachine/web", "jsonpath={.status.run.hostName}=beta", 120);
    await until(() => page("beta"), GUEST_SECONDS).toBe("from-the-mirror\n");
    expect(await f.get("mirror/m1", "{.status.primary}")).toBe("beta");
    expect(await processes("alpha")).toBe("");
  });
});

describe("what cannot be", () => {
  const refused = async (name: string, over: Record<string, unknown>, pattern: RegExp) => {
    await f.apply("VirtualMachine", name, guest({ disks: [], networks: [], ...over }));
    await f.waitForMessage(`virtualmachine/${name}`, pattern);
    await f.kubectl("delete", "virtualmachine", name, `--timeout=${f.seconds(60)}s`);
  };

  it("is told: memory, a bridge, a kernel, a disk", async () => {
    await refused("big", { memory: { size: "4Gi" } }, /0\/2 hosts can run it: alpha: 4Gi of memory are asked for/);
    await refused("lost", { networks: [{ bridge: "br7" }] }, /no bridge br7 on this host: it has br0/);
    await on("alpha", "mkdir -p /var/lib/ferrite/images; echo nothing >/var/lib/ferrite/images/nothing");
    await on("beta", "mkdir -p /var/lib/ferrite/images; echo nothing >/var/lib/ferrite/images/nothing");
    const boot = { kernel: "/var/lib/ferrite/images/nothing" };
    await refused("odd", { boot }, /QEMU did not start it: .*kernel/);
    await expect(f.apply("VirtualMachine", "second", guest())).rejects.toThrow(
      /Mirror default\/m1 cannot be used by VirtualMachine default\/second and VirtualMachine default\/web/,
    );
  });
});

describe("an agent that dies in the middle", () => {
  it.each([1, 3, 6])("of a start, %s s after it began, leaves one guest", async (after) => {
    await f.patch("virtualmachine/web", { spec: { runStrategy: "Halted" } });
    await until(() => ready("web"), GUEST_SECONDS).toBe("Halted");
    await f.patch("virtualmachine/web", { spec: { runStrategy: "Always" } });
    await new Promise((resolve) => setTimeout(resolve, f.seconds(after) * 1000));
    await f.cluster.killAgent("beta");
    await f.cluster.startAgent("beta");
    await f.waitFor("virtualmachine/web", "condition=Ready", GUEST_SECONDS);
    await until(() => page("beta"), GUEST_SECONDS).toBe("from-the-mirror\n");
    expect(await processes("beta")).toMatch(/^\d+ $/);
    expect(await processes("alpha")).toBe("");
  });
});

it("leaves nothing when it is deleted", async () => {
  await f.kubectl("delete", "virtualmachine", "web", `--timeout=${f.seconds(120)}s`);
  expect(await processes("beta")).toBe("");
  expect(await on("beta", "ls /run/ferrite/vm; ip -brief link | grep ^fv || true")).toBe("");
});
