import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { Fixture } from "../cluster-fixture.ts";

let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-features", ["alpha", "beta"]);
  await f.waitFor("host/alpha", "condition=Ready");
  await f.waitFor("host/beta", "condition=Ready");
  await f.makeVolumeGroups();
});
afterAll(async () => f.stop());

type Host = "alpha" | "beta";
const on = (host: Host, script: string) => f.lab.guest(host).sh(script, { timeoutMs: 180_000 });
const mirror = (name: string, size: string, more: object = {}) =>
  f.apply("Mirror", name, {
    size,
    replicas: [
      { hostName: "alpha", volumeGroupRef: { name: "vg-alpha" } },
      { hostName: "beta", volumeGroupRef: { name: "vg-beta" } },
    ],
    primary: { hostName: "alpha" },
    ...more,
  });
const eventually = (check: () => Promise<void>, count = 120) =>
  vi.waitFor(check, { timeout: f.seconds(count) * 1000, interval: 1000 });
const deviceOf = (name: string) => f.get(`mirror/${name}`, "{.status.devicePath}");
const condition = (name: string, type: string) =>
  f.get(`mirror/${name}`, `{.status.conditions[?(@.type=="${type}")].status}`);
const remove = (...what: string[]) => f.kubectl("delete", ...what, `--timeout=${f.seconds(120)}s`);
const members = (name: string) => f.get(`mirror/${name}`, "{.status.members}");

it("a mirror starts as a copy of a volume, on both hosts", async () => {
  await f.apply("Volume", "golden", {
    volumeGroupRef: { name: "vg-alpha" },
    size: "32Mi",
    fileSystem: { type: "ext4" },
  });
  await f.waitFor("volume/golden", "condition=Ready");
  await on("alpha", "mount /dev/vg-alpha/golden /mnt && echo precious >/mnt/file && umount /mnt");
  await mirror("copied", "48Mi", { source: { volumeRef: { name: "golden" } } });
  await f.waitFor("mirror/copied", "condition=InSync", 240);
  const device = await deviceOf("copied");
  expect(await on("alpha", `mount ${device} /mnt && cat /mnt/file && umount /mnt`)).toBe("precious\n");
  await f.patch("mirror/copied", { spec: { primary: { hostName: "beta" } } });
  await f.waitFor("mirror/copied", "jsonpath={.status.primary}=beta", 120);
  await f.waitFor("mirror/copied", "condition=Ready", 120);
  expect(await on("beta", `mount ${device} /mnt && cat /mnt/file && umount /mnt`)).toBe("precious\n");
  await remove("mirror/copied", "volume/golden");
});

it("a mirror has its file system made once, grown while it is mounted, and its copies compared", async () => {
  await mirror("files", "48Mi", { fileSystem: { type: "ext4", label: "data" } });
  await f.waitFor("mirror/files", "condition=Ready", 240);
  await f.waitFor("mirror/files", "condition=InSync", 240);
  const device = await deviceOf("files");
  const size = async () => Number(await on("alpha", "df --output=size -k /mnt | tail -n1"));
  await on("alpha", `mount ${device} /mnt && echo kept >/mnt/file && sync`);
  const before = await size();
  await f.patch("mirror/files", { spec: { size: "80Mi" } });
  await eventually(async () => expect(await size()).toBeGreaterThan(before + 20_000), 180);
  expect(await on("alpha", "cat /mnt/file")).toBe("kept\n");
  await f.waitFor("mirror/files", "condition=InSync", 120);

  await f.patch("mirror/files", { spec: { verifyRequest: "one" } });
  await f.waitFor("mirror/files", "condition=Verified", 180);

  // What a disk does that lies: other data below DRBD, on the other side.
  await on(
    "beta",
    "dd if=/dev/urandom of=/dev/vg-beta/files-beta bs=1M seek=40 count=1 conv=notrunc,fsync oflag=direct 2>/dev/null",
  );
  await f.patch("mirror/files", { spec: { verifyRequest: "two" } });
  await f.waitForMessage("mirror/files", /1Mi differed/, "Verified");
  await eventually(async () => expect(JSON.parse((await members("files")) || "[]")).toEqual(["alpha", "beta"]));
  await f.waitFor("mirror/files", "condition=InSync", 120);
  const sum = (host: Host, path: string) =>
    on(host, `dd if=${path} bs=1M skip=40 count=1 iflag=direct 2>/dev/null | md5sum`);
  expect(await sum("beta", "/dev/vg-beta/files-beta")).toBe(await sum("alpha", "/dev/vg-alpha/files-alpha"));
  await f.patch("mirror/files", { spec: { verifyRequest: "three" } });
  await f.waitFor("mirror/files", "condition=Verified", 180);
  expect(await on("alpha", "cat /mnt/file && umount /mnt")).toBe("kept\n");
  await remove("mirror/files");
});

it("a volume group on a mirror follows the primary, with its volumes", async () => {
  await mirror("carrier", "96Mi");
  await f.waitFor("mirror/carrier", "condition=InSync", 240);
  await f.apply("VolumeGroup", "travelling", {
    physicalVolumes: [{ mirrorRef: { namespace: "default", name: "carrier" } }],
    // A thick volume holds what its place on the disk held before: of the mirrors above.
    overwrite: true,
    deletionPolicy: "Delete",
  });
  await f.apply("Volume", "inner", {
    volumeGroupRef: { name: "travelling" },
    size: "32Mi",
    fileSystem: { type: "ext4" },
  });
  await f.waitFor("volume/inner", "condition=Ready", 180);
  await on("alpha", "mount /dev/travelling/inner /mnt && echo travels >/mnt/file && sync");

  await f.patch("mirror/carrier", { spec: { primary: { hostName: "beta" } } });
  await f.waitForMessage("volumegroup/travelling", /inner of travelling is open/);
  expect(await f.get("mirror/carrier", "{.status.primary}")).toBe("alpha");
  await on("alpha", "umount /mnt");
  await f.waitFor("mirror/carrier", "jsonpath={.status.primary}=beta", 180);
  await f.waitFor("volume/inner", "jsonpath={.status.hostName}=beta", 120);
  await f.waitFor("volume/inner", "condition=Ready", 120);
  expect(await on("beta", "mount /dev/travelling/inner /mnt && cat /mnt/file && umount /mnt")).toBe("travels\n");
  expect(await on("alpha", "ls /dev/mapper")).not.toContain("travelling");

  await f.patch("mirror/carrier", { spec: { primary: { hostName: "alpha" } } });
  await f.waitFor("volume/inner", "jsonpath={.status.hostName}=alpha", 180);
  await f.waitFor("volume/inner", "condition=Ready", 120);
  await remove("volume/inner");
  await remove("volumegroup/travelling");
  await remove("mirror/carrier");
});

it("a split brain ends by the administrator's word: the victim's changes go", async () => {
  await mirror("split", "32Mi");
  await f.waitFor("mirror/split", "condition=InSync", 240);
  const device = await deviceOf("split");
  const minor = device.replace("/dev/drbd", "");
  const write = (host: Host, text: string) =>
    on(host, `printf '%-4096s' ${text} | dd of=${device} bs=4096 seek=100 oflag=direct conv=notrunc 2>/dev/null`);
  await write("alpha", "before");
  for (const host of ["alpha", "beta"] as const) {
    await f.cluster.killAgent(host);
    await on(host, `drbdsetup disk-options ${minor} --fencing=dont-care`);
  }
  await on("alpha", "drbdadm disconnect split");
  await on("beta", "drbdadm disconnect split || true; drbdadm -- --force primary split");
  await write("alpha", "of-alpha");
  await write("beta", "of-beta");
  await on("beta", "drbdadm secondary split");
  for (const host of ["alpha", "beta"] as const) await f.cluster.startAgent(host);
  await eventually(async () => expect(await condition("split", "SplitBrain")).toBe("True"), 180);
  expect(await on("alpha", `dd if=${device} bs=4096 skip=100 count=1 iflag=direct 2>/dev/null`)).toMatch(/^of-alpha /);

  await f.patch("mirror/split", { spec: { splitBrain: { victim: "beta" } } });
  await f.waitFor("mirror/split", "jsonpath={.status.splitBrain.state}=Done", 180);
  await f.waitFor("mirror/split", "condition=InSync", 180);
  expect(await condition("split", "SplitBrain")).toBe("False");
  expect(await on("beta", "dd if=/dev/vg-beta/split-beta bs=4096 skip=100 count=1 iflag=direct 2>/dev/null")).toMatch(
    /^of-alpha /,
  );
  await remove("mirror/split");
});
