import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { GuestName } from "../../hack/lab/state.ts";
import { Fixture } from "../lab/cluster-fixture.ts";

const HOSTS = ["alpha", "beta"] as const;
const ADDRESS = "192.168.77.10";
/** A PVH guest under an emulated processor's emulated virtualisation takes a minute to boot. */
const GUEST_SECONDS = 240;
let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-xen", HOSTS, { xen: true });
  for (const host of HOSTS) {
    await f.waitFor(`host/${host}`, "condition=Ready");
    await f.patch(`host/${host}`, { spec: { memoryReserve: "512Mi" } });
    await on(host, "ip link add br0 type bridge && ip addr add 192.168.77.1/24 dev br0 && ip link set br0 up");
  }
  await f.makeVolumeGroups("256Mi");
});
afterAll(async () => f?.stop());
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const host of HOSTS) {
    console.log(`agent of ${host}:\n${(await f.cluster.agentLog(host)).slice(-5000)}`);
    console.log(
      await on(host, "xl list -v; xl info | grep memory; free -m; tail -n 20 /var/log/xen/console/* || true"),
    );
  }
  console.log(await f.kubectl("get", "virtualmachines,mirrors,hosts", "-o", "wide"));
});

const on = (host: GuestName, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 120_000 });
const until = (what: () => Promise<unknown>, count = 60) =>
  expect.poll(what, { timeout: f.seconds(count) * 1000, interval: 2000 });

const guest = (over: Record<string, unknown> = {}) => ({
  hypervisor: "Xen",
  memory: { size: "112Mi" },
  boot: {
    kernel: "/boot/guests/vmlinux",
    initrd: "/boot/guests/initrd",
    cmdline: `console=hvc0 quiet mitigations=off guest.address=${ADDRESS}/24 guest.disk=xvda`,
  },
  disks: [{ target: "xvda", source: { mirrorRef: { name: "m1" } } }],
  networks: [{ bridge: "br0" }],
  ...over,
});
/** Debian's busybox wget crashes on these machines, and they have no curl. */
const FETCH = `exec 3<>/dev/tcp/${ADDRESS}/80 && printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' "$0" >&3 && sed '1,/^\\r$/d' <&3`;
const page = async (host: GuestName, path = "index.html") =>
  (await f.lab.guest(host).exec(["timeout", "10", "bash", "-c", FETCH, path])).stdout;
const starts = async (host: GuestName) => (await page(host, "starts")).split("\n").length - 1;
/** Numbers of the guest's domains on a machine: never more than one. */
const domains = async (host: GuestName) =>
  (await on(host, "xl list -v | awk 'NR > 1 && $2 > 0 {print $1, $2}'")).trim();
const ready = (vm: string) => f.get(`virtualmachine/${vm}`, "{.status.conditions[?(@.type=='Ready')].reason}");

describe("a PV guest of Xen on a mirror's primary", () => {
  it("serves a page from its disk", async () => {
    await until(() => f.get("host/alpha", "{.status.software.xen}")).toMatch(/^4\./);
    await f.apply("Mirror", "m1", {
      size: "32Mi",
      replicas: HOSTS.map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
    });
    await f.waitFor("mirror/m1", "condition=Ready", 180);
    const device = await f.get("mirror/m1", "{.status.devicePath}");
    await on(
      "alpha",
      `mkfs.ext4 -q ${device} && mount ${device} /mnt && echo from-the-mirror >/mnt/index.html && umount /mnt`,
    );
    await f.waitFor("mirror/m1", "condition=InSync", 240);
    await f.apply("VirtualMachine", "web", guest({ xen: { type: "PV" } }));
    await f.waitFor("virtualmachine/web", "condition=Ready", GUEST_SECONDS);
    expect(await f.get("virtualmachine/web", "{.status.hostName} {.status.run.hostName}")).toBe("alpha alpha");
    await until(() => page("alpha"), GUEST_SECONDS).toBe("from-the-mirror\n");
    expect(await domains("alpha")).toMatch(/^web \d+$/);
    expect(await f.get("virtualmachine/web", "{.status.console}")).toBe("on alpha: xl console web");
    await until(() => f.get("host/alpha", "{.status.guests[*].name}")).toBe("web");
  });

  it("runs on untouched when its agent is killed and started again", async () => {
    const before = [await domains("alpha"), await starts("alpha")];
    await f.cluster.killAgent("alpha");
    expect(await page("alpha")).toBe("from-the-mirror\n");
    await f.cluster.startAgent("alpha");
    await f.waitFor("virtualmachine/web", "condition=Ready");
    expect([await domains("alpha"), await starts("alpha")]).toEqual(before);
  });

  it("is started again when somebody destroys it", async () => {
    const [before, count] = [await domains("alpha"), await starts("alpha")];
    await on("alpha", "xl destroy web");
    await until(() => starts("alpha"), GUEST_SECONDS).toBe(count + 1);
    expect(await domains("alpha")).toMatch(/^web \d+$/);
    expect(await domains("alpha")).not.toBe(before);
  });

  it("shuts down when asked, and starts as PVH on the other side of its mirror", async () => {
    await f.patch("virtualmachine/web", { spec: { runStrategy: "Halted" } });
    await until(() => ready("web"), GUEST_SECONDS).toBe("Halted");
    expect(await domains("alpha")).toBe("");
    expect(await on("alpha", "tail -n 5 /var/log/xen/console/guest-web.log")).toMatch(/GUEST-OFF/);
    const pvh = { runStrategy: "Always", placement: { preferredHost: "beta" }, xen: { type: "PVH" } };
    await f.patch("virtualmachine/web", { spec: pvh });
    await f.waitFor("virtualmachine/web", "jsonpath={.status.run.hostName}=beta", 120);
    await until(() => page("beta"), GUEST_SECONDS * 2).toBe("from-the-mirror\n");
    expect(await on("beta", "xl list -l web")).toContain('"type": "pvh"');
    expect(await domains("alpha")).toBe("");
  });
});

describe("what cannot be", () => {
  it.each([
    ["memory", { memory: { size: "8Gi" } }, /0\/\d hosts can run it: .*8Gi of memory are asked for/],
    ["a bridge", { networks: [{ bridge: "br7" }] }, /no bridge br7 on this host: it has br0/],
    [
      "a kernel",
      { boot: { kernel: "/boot/guests/initrd" } },
      /\/boot\/guests\/initrd is no kernel that a PV guest can start/,
    ],
    ["firmware", { boot: { firmware: "BIOS" } }, /a PV guest has no firmware/],
  ])("is told: %s", async (_, over, pattern) => {
    await f.apply("VirtualMachine", "odd", guest({ disks: [], networks: [], ...over }));
    const what = "{.status.conditions[*].message}";
    await until(() => f.get("virtualmachine/odd", what)).toMatch(pattern);
    await f.kubectl("delete", "virtualmachine", "odd", `--timeout=${f.seconds(60)}s`);
  });
});

it("leaves nothing when it is deleted", async () => {
  await f.kubectl("delete", "virtualmachine", "web", `--timeout=${f.seconds(240)}s`);
  expect(await domains("beta")).toBe("");
  expect(await on("beta", "ls /run/ferrite/vm")).toBe("");
});
