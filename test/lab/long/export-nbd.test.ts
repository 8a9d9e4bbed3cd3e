import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { GuestName } from "../../../hack/lab/state.ts";
import { Fixture } from "../cluster-fixture.ts";

let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-export-nbd", ["alpha", "beta", "gamma"]);
});
afterAll(async () => f.stop());
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const host of HOSTS) console.log(`agent of ${host}:\n${(await f.cluster.agentLog(host)).slice(-6000)}`);
  console.log(await f.kubectl("get", "mirrors,exports,imports", "-o", "yaml"));
});

const HOSTS = ["alpha", "beta", "gamma"] as const;

const on = (host: GuestName, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 120_000 });
const until = (what: () => Promise<unknown>, count = 60) =>
  expect.poll(what, { timeout: f.seconds(count) * 1000, interval: 500 });
const DEVICE = "/dev/gnbd/m1";

/** Appends numbers to a file, each acknowledged in a file of the machine's own after fsync. Ends at the first error. */
const FSYNC_WRITER = `use IO::Handle;
open(my $f, '>>', '/mnt/fsync') or die; open(my $a, '>>', '/run/acked-fsync') or die;
for (my $i = 1; !-e '/run/stop'; $i++) {
  unless (syswrite($f, "$i\\n") && $f->sync) { open(my $e, '>', '/run/error'); print $e "fsync $i: $!"; exit 1 }
  syswrite($a, "$i\\n");
}
`;
/** Writes numbers past every cache of this machine and without any flush: what the server says it has, it must have. */
const DIRECT_WRITER = `i=0; while [ ! -e /run/stop ]; do i=$((i+1)); printf '%-511s\\n' $i >/run/block
/bin/dd if=/run/block of=/mnt/direct bs=512 seek=$((i%4096)) oflag=direct conv=notrunc 2>/run/dd || { cat /run/dd >/run/error; exit 1; }
echo $i >>/run/acked-direct; done
`;

async function startWriters(): Promise<void> {
  await f.lab.guest("gamma").putFile("/run/fsync.pl", FSYNC_WRITER);
  await f.lab.guest("gamma").putFile("/run/direct.sh", DIRECT_WRITER);
  await on(
    "gamma",
    `rm -f /run/stop /run/error /run/acked-* /mnt/fsync /mnt/direct; truncate -s 2M /mnt/direct
     dd if=/dev/zero of=/mnt/direct bs=64k count=32 conv=fsync,notrunc 2>/dev/null
     setsid perl /run/fsync.pl </dev/null >/dev/null 2>&1 & setsid sh /run/direct.sh </dev/null >/dev/null 2>&1 &`,
  );
  await progress();
}
const acked = async (): Promise<number[]> =>
  (await on("gamma", "for k in fsync direct; do wc -l </run/acked-$k 2>/dev/null || echo 0; done"))
    .trim()
    .split("\n")
    .map(Number);
/** Both writers get on from here. */
async function progress(): Promise<void> {
  const before = await acked();
  await until(async () => {
    const now = await acked();
    return now.every((count, index) => count > (before[index] ?? 0) + 2);
  }, 120).toBe(true);
}
async function stopWriters(): Promise<void> {
  await on("gamma", "touch /run/stop");
  await until(() => on("gamma", "pgrep -f 'fsync.p[l]|direct.s[h]' || true"), 60).toBe("");
  expect(await on("gamma", "cat /run/error 2>/dev/null || true")).toBe("");
}
/** Reads what was acknowledged on the host that has the mirror's device, past the importer. */
async function expectNothingMissing(): Promise<void> {
  const script = `comm -23 <(sort /run/acked-fsync) <(sort /mnt/fsync) | wc -l
    tail -n 4000 /run/acked-direct | while read i; do
      [ "$(dd if=/mnt/direct bs=512 skip=$((i%4096)) count=1 iflag=direct 2>/dev/null | tr -d ' \\n')" = $i ] || echo "direct $i"
    done | head -3`;
  const missing = await f.lab.guest("gamma").exec(["bash", "-c", script], { timeoutMs: 240_000 });
  expect(missing.stdout.trim()).toBe("0");
}
const ioErrors = () => on("gamma", "dmesg | grep -ciE 'I/O error|EXT4-fs error|Remounting' || true");

describe("an export of a mirror, imported on a third host", () => {
  it("appears there as a block device that was made by three objects", async () => {
    for (const host of HOSTS) await f.waitFor(`host/${host}`, "condition=Ready");
    for (const host of ["alpha", "beta"])
      await f.apply("VolumeGroup", `vg-${host}`, {
        hostName: host,
        physicalVolumes: [{ device: `/dev/disk/by-id/virtio-${host}-disk1` }],
      });
    await f.apply("Mirror", "m1", {
      size: "64Mi",
      replicas: ["alpha", "beta"].map((host) => ({ hostName: host, volumeGroupRef: { name: `vg-${host}` } })),
      primary: { hostName: "alpha" },
    });
    await f.apply("Export", "m1", { mirrorRef: { name: "m1" }, clients: [{ hostName: "gamma" }] });
    await f.apply("Import", "m1", { exportRef: { name: "m1" }, hostName: "gamma" });
    await f.waitFor("mirror/m1", "condition=InSync", 180);
    await f.waitFor("export/m1", "condition=Ready");
    await f.waitFor("import/m1", "condition=Ready");
    expect(await f.get("export/m1", "{.status.hostName} {.status.target} {.status.port}")).toBe("alpha m1 10809");
    await on("gamma", `mkfs.ext4 -q ${DEVICE} && mount ${DEVICE} /mnt && echo made >/mnt/made`);
    await until(() => f.get("export/m1", "{.status.connectedClients[*].hostName}")).toBe("gamma");
  });

  it("refuses who is not on the list, a second writer, an import on its own host, a name in use, a source that is not there", async () => {
    const stranger = "perl /usr/lib/ferrite/nbd-device connect 10.77.0.11 10809 m1 test ro 5 10.77.0.12 2>&1 || true";
    expect(await on("beta", stranger)).toMatch(/refuses/);
    await f.apply("Import", "second", { exportRef: { name: "m1" }, hostName: "gamma", deviceName: "second" });
    await f.waitForMessage("import/second", /one writer/);
    expect(await on("gamma", "ls /dev/gnbd")).toBe("m1\n");
    await f.kubectl("delete", "import", "second", "--timeout=60s");
    const own = f.apply("Import", "own", { exportRef: { name: "m1" }, hostName: "beta", deviceName: "own" });
    await expect(own).rejects.toThrow(/serves the export/);
    await f.apply("Export", "again", { mirrorRef: { name: "m1" }, exportName: "m1", readOnly: true });
    await f.waitForMessage("export/again", /taken by Export default\/m1/);
    await f.apply("Export", "nothing", { mirrorRef: { name: "nothing" }, clients: [{ hostName: "gamma" }] });
    await f.waitForMessage("export/nothing", /Mirror nothing is not there/);
    await f.apply("Export", "iscsi", { mirrorRef: { name: "m1" }, protocol: "ISCSI", readOnly: true });
    await f.waitForMessage("export/iscsi", /not supported/);
    await f.kubectl("delete", "export", "again", "nothing", "iscsi", "--timeout=60s");
    expect(await on("alpha", "ls /run/ferrite/nbd/conf.d")).toBe("m1.conf\n");
  });

  it("goes on writing when the primary is moved", async () => {
    await startWriters();
    await f.patch("mirror/m1", { spec: { primary: { hostName: "beta" } } });
    await f.waitFor("mirror/m1", "jsonpath={.status.primary}=beta");
    await until(() => f.get("import/m1", "{.status.connectedTo}"), 120).toBe("10.77.0.12:10809");
    await progress();
    expect(await on("alpha", "ls /run/ferrite/nbd/conf.d; pgrep nbd-server || true")).toBe("");
  });

  it("goes on writing when nbd-server and all its sessions are killed", async () => {
    await on("beta", "pkill -9 nbd-server");
    await progress();
  });

  it("goes on writing when its agent and the server's are killed and started again", async () => {
    await Promise.all([f.cluster.killAgent("beta"), f.cluster.killAgent("gamma")]);
    await on("beta", "pkill -9 nbd-server");
    await Promise.all([f.cluster.startAgent("beta"), f.cluster.startAgent("gamma")]);
    await progress();
  });

  it("goes on writing when the link was cut for a while", async () => {
    const before = await acked();
    await f.lab.guest("gamma").cutLink();
    await until(() => f.get("host/gamma", "{.status.conditions[?(@.type=='Ready')].status}"), 60).not.toBe("True");
    await f.lab.guest("gamma").restoreLink();
    await progress();
    expect((await acked())[0]).toBeGreaterThan(before[0] ?? 0);
  });

  it("cuts off a client that is taken off the list, says so, and lets it in again", async () => {
    await f.patch("export/m1", { spec: { clients: [] } });
    await until(() => on("beta", "ls /run/ferrite/nbd/sessions")).toBe("");
    await until(() => f.get("export/m1", "{.status.connectedClients[*].address}")).toBe("");
    await f.waitForMessage("import/m1", /refuses.*I\/O waits/);
    const stopped = await acked();
    expect(await acked()).toEqual(stopped);
    await f.patch("export/m1", { spec: { clients: [{ hostName: "gamma" }] } });
    await progress();
  });

  it("has every acknowledged write, with and without fsync, and no I/O error came through", async () => {
    await stopWriters();
    expect((await ioErrors()).trim()).toBe("0");
    await on("gamma", "sync; umount /mnt; echo 3 >/proc/sys/vm/drop_caches; mount -o ro /dev/gnbd/m1 /mnt");
    await expectNothingMissing();
    await on("gamma", "umount /mnt");
  });

  it("is there again after the importer was switched off and on", async () => {
    await f.lab.guest("gamma").powerOff();
    await f.lab.guest("gamma").powerOn();
    await until(() => on("gamma", `test -b ${DEVICE} && blkid -p -o value -s TYPE ${DEVICE} || true`), 120).toBe(
      "ext4\n",
    );
    expect(await on("gamma", `mount ${DEVICE} /mnt && cat /mnt/made; umount /mnt`)).toBe("made\n");
  });

  it("fails cleanly after reconnectTimeout, and works again when the server is back", async () => {
    await f.kubectl("delete", "import", "m1", "--timeout=60s");
    expect(await on("gamma", "ls /dev/gnbd; cat /sys/block/nbd*/backend 2>/dev/null || true")).toBe("");
    await f.apply("Import", "m1", { exportRef: { name: "m1" }, hostName: "gamma", reconnectTimeout: "5s" });
    await f.waitFor("import/m1", "condition=Ready");
    await f.patch("export/m1", { spec: { clients: [] } });
    await f.waitForMessage("import/m1", /refuses/);
    const read = await f.lab
      .guest("gamma")
      .exec(["dd", `if=${DEVICE}`, "of=/dev/null", "bs=4k", "count=1", "iflag=direct"]);
    expect(read.stderr).toMatch(/Input\/output error/);
    await f.patch("export/m1", { spec: { clients: [{ hostName: "gamma" }] } });
    await f.waitFor("import/m1", "condition=Ready");
    await on("gamma", `dd if=${DEVICE} of=/dev/null bs=4k count=1 iflag=direct`);
  });

  it("keeps a device that is in use when its import is deleted, and leaves nothing when it is not", async () => {
    await on("gamma", `mount ${DEVICE} /mnt`);
    await f.kubectl("delete", "import", "m1", "--wait=false");
    await f.waitForMessage("import/m1", /in use on gamma/);
    expect(await on("gamma", "cat /mnt/made")).toBe("made\n");
    await on("gamma", "umount /mnt");
    await f.kubectl("wait", "import/m1", "--for=delete", "--timeout=60s");
    await f.kubectl("delete", "export", "m1", "--timeout=60s");
    expect(
      await on("beta", "pgrep nbd-server; ls /run/ferrite/nbd/conf.d /run/ferrite/nbd/sessions | grep m1 || true"),
    ).toBe("");
    await until(() => f.kubectl("get", "allocations", "-o", "name")).not.toContain("export-");
  });
});
