import { describe, expect, it, test } from "vitest";
import type { GuestSpec } from "../../../../executors/vm/guest.ts";
import { qemuArgv, tapName } from "../../../../executors/vm/qemu/command-line.ts";
import { guestFiles } from "../../../../executors/vm/qemu/files.ts";
import { identityOf } from "../../../../executors/vm/qemu/processes.ts";

const UID = "11111111-2222-4333-8444-555555555555";
const guest = (over: Partial<GuestSpec> = {}): GuestSpec => ({
  uid: UID,
  name: "team.web",
  cpus: 2,
  memoryBytes: 128 * 2 ** 20 + 1,
  boot: { kind: "kernel", kernel: "/boot/k", initrd: undefined, cmdline: "a=1, b" },
  disks: [],
  networks: [],
  ...over,
});
const argv = (over: Partial<GuestSpec> = {}, accelerator: "kvm" | "tcg" = "kvm") =>
  qemuArgv(guest(over), guestFiles(UID, "team.web"), accelerator);
const valueOf = (words: readonly string[], option: string) => words[words.indexOf(option) + 1];
/** All JSON values of an option. */
const objects = (words: readonly string[], option: string): Record<string, unknown>[] =>
  words.flatMap((word, index) =>
    word === option && words[index + 1]?.startsWith("{") ? [JSON.parse(words[index + 1] ?? "")] : [],
  );
const disk = (target: string, readOnly = false) => ({ target, device: `/dev/${target}`, readOnly });

describe("qemuArgv", () => {
  it("makes a guest that is found again by its own words", () => {
    expect(identityOf(argv())).toEqual({ uuid: UID, name: "team.web", monitor: `/run/ferrite/vm/${UID}/monitor.sock` });
  });

  it("makes it paused, in the background, and locks its pid file", () => {
    expect(argv()).toEqual(expect.arrayContaining(["-S", "-daemonize"]));
    expect(valueOf(argv(), "-pidfile")).toBe(`/run/ferrite/vm/${UID}/pid`);
  });

  it("rounds memory up to what QEMU can count", () => {
    expect(valueOf(argv(), "-m")).toBe("129");
  });

  it("passes a kernel's command line on as one word", () => {
    expect(valueOf(argv(), "-append")).toBe("a=1, b");
    expect(argv()).not.toContain("-initrd");
  });

  it("bounds the memory of emulation", () => {
    expect(valueOf(argv({}, "kvm"), "-accel")).toBe("kvm");
    expect(valueOf(argv({}, "tcg"), "-accel")).toBe("tcg,tb-size=128");
  });

  it("opens disks past the page cache, locked, and stops the guest when one fails", () => {
    const words = argv({ disks: [disk("vda"), disk("vdb", true)] });
    const [a, b] = objects(words, "-blockdev");
    expect(a).toMatchObject({ "read-only": false, cache: { direct: true, "no-flush": false } });
    expect(a?.["file"]).toMatchObject({
      driver: "host_device",
      filename: "/dev/vda",
      locking: "on",
      cache: { direct: true },
    });
    expect(b).toMatchObject({ "read-only": true, file: { "read-only": true } });
    const device = objects(words, "-device").find((each) => each["drive"] === "disk-vda");
    expect(device).toMatchObject({ werror: "stop", rerror: "stop", serial: "vda" });
  });

  it("gives each disk and card a place of its own, that does not depend on the others", () => {
    const disks = ["vda", "vdi", "vdab"].map((target) => disk(target));
    const networks = Array.from({ length: 16 }, () => ({ bridge: "br0", mac: "52:54:00:00:00:01" }));
    const devices = objects(argv({ disks, networks }), "-device");
    const addresses = devices.flatMap(({ addr }) => (addr === undefined ? [] : [JSON.stringify(addr)]));
    expect(new Set(addresses).size).toBe(addresses.length);
    const place = (target: string, all: GuestSpec["disks"]) =>
      objects(argv({ disks: all }), "-device").find((each) => each["drive"] === `disk-${target}`)?.["addr"];
    expect(place("vdi", disks)).toBe(place("vdi", [disk("vdi")]));
  });

  it("boots firmware from the CD-ROM first, then from the disks in order", () => {
    const words = argv({
      boot: { kind: "firmware", firmware: "UEFI", cdrom: "/var/lib/ferrite/images/a.iso" },
      disks: [disk("vda"), disk("sdb")],
    });
    expect(valueOf(words, "-bios")).toMatch(/OVMF/);
    const order = objects(words, "-device").flatMap(({ drive, bootindex }) =>
      bootindex === undefined ? [] : [[bootindex, drive]],
    );
    expect(order.toSorted((a, b) => Number(a[0]) - Number(b[0]))).toEqual([
      [0, "cdrom"],
      [1, "disk-vda"],
      [2, "disk-sdb"],
    ]);
    expect(objects(words, "-device").filter(({ driver }) => driver === "virtio-scsi-pci")).toHaveLength(1);
  });

  test.each([
    { target: "xvda", message: /xvd is Xen's/ },
    { target: "sda1", message: /only Xen gives a guest a single partition.*sda/ },
    { target: "hdg", message: /there are six/ },
  ])("refuses disk $target", ({ target, message }) => {
    expect(() => argv({ disks: [disk(target)] })).toThrow(message);
  });

  it("refuses a disk where the CD-ROM is", () => {
    const boot = { kind: "firmware", firmware: "BIOS", cdrom: "/var/lib/ferrite/images/a.iso" } as const;
    expect(() => argv({ boot, disks: [disk("hdf")] })).toThrow(/boot.cdrom/);
    expect(() => argv({ boot, disks: [disk("hde")] })).not.toThrow();
  });
});

it("names taps so that the kernel takes them", () => {
  expect(tapName(UID, 15).length).toBeLessThanOrEqual(15);
  expect(tapName(UID, 0)).not.toBe(tapName(UID.replace("1", "2"), 0));
});
