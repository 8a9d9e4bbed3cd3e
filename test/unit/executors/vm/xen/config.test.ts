import { describe, expect, it, test } from "vitest";
import type { GuestSpec } from "../../../../../executors/vm/guest.ts";
import { quote, xlConfig } from "../../../../../executors/vm/xen/config.ts";

const SPEC: GuestSpec = {
  uid: "5eed0000-0000-4000-8000-000000000001",
  name: "web",
  cpus: 2,
  memoryBytes: 100 * 2 ** 20 + 1,
  boot: { kind: "kernel", kernel: "/boot/vmlinuz", initrd: "/boot/initrd.img", cmdline: 'root=/dev/xvda x="a b"' },
  disks: [
    { target: "xvda", device: "/dev/drbd1000", readOnly: false },
    { target: "sda1", device: "/dev/vg/data", readOnly: true },
  ],
  networks: [{ bridge: "br0", mac: "00:16:3e:11:22:33" }],
  xen: { type: "PV" },
};
const HVM = { boot: { kind: "firmware", firmware: "BIOS", cdrom: "/boot/cd.iso" }, xen: { type: "HVM" } } as const;

describe("xlConfig", () => {
  it("describes a PV guest, and lets nobody but the agent start it again", () => {
    expect(xlConfig(SPEC)).toBe(
      [
        'name = "web"',
        'uuid = "5eed0000-0000-4000-8000-000000000001"',
        'type = "pv"',
        "memory = 101",
        "maxmem = 101",
        "vcpus = 2",
        'kernel = "/boot/vmlinuz"',
        'ramdisk = "/boot/initrd.img"',
        'cmdline = "root=/dev/xvda x=\\"a b\\""',
        'disk = ["format=raw,vdev=xvda,access=rw,backendtype=phy,target=/dev/drbd1000", "format=raw,vdev=sda1,access=ro,backendtype=phy,target=/dev/vg/data"]',
        'vif = ["mac=00:16:3e:11:22:33,bridge=br0,vifname=fv02b3a4b5-0"]',
        'on_poweroff = "preserve"',
        'on_reboot = "preserve"',
        'on_crash = "preserve"',
        'on_watchdog = "preserve"',
        "",
      ]
        .join("\n")
        .replace(/fv[0-9a-f]{8}/, /fv[0-9a-f]{8}/.exec(xlConfig(SPEC))?.[0] ?? "no card"),
    );
  });

  it("gives an HVM guest firmware, its CD-ROM first, and a serial console instead of a screen", () => {
    const config = xlConfig({ ...SPEC, ...HVM });
    expect(config).toContain('type = "hvm"\n');
    expect(config).toContain('bios = "seabios"\nboot = "dc"\nserial = "pty"\nvnc = 0\n');
    expect(config).toContain('"format=raw,vdev=hdc,access=ro,devtype=cdrom,target=/boot/cd.iso"]');
  });

  it("leaves the kernel to a boot loader", () => {
    const config = xlConfig({ ...SPEC, boot: { kind: "bootloader", bootloader: "pygrub" }, xen: { type: "PVH" } });
    expect(config).toContain('type = "pvh"\n');
    expect(config).toContain('bootloader = "pygrub"\n');
    expect(config).not.toContain("kernel =");
  });

  test.each<[string, Partial<GuestSpec>, RegExp]>([
    ["firmware for PV", { boot: HVM.boot }, /spec.boot: a PV guest has no firmware.*boot.kernel.*xen.type HVM/],
    ["firmware for PVH", { boot: HVM.boot, xen: { type: "PVH" } }, /a PVH guest has no firmware/],
    [
      "a boot loader for HVM",
      { boot: { kind: "bootloader", bootloader: "pygrub" }, xen: { type: "HVM" } },
      /spec.boot.bootloader: an HVM guest.*boot.firmware/,
    ],
    ["QEMU's disks", { disks: [{ target: "vdb", device: "/dev/x", readOnly: false }] }, /disk vdb: .*use xvdb/],
    [
      "a disk in the CD-ROM's place",
      { ...HVM, disks: [{ target: "hdc", device: "/dev/x", readOnly: false }] },
      /disk hdc: boot.cdrom stands there/,
    ],
  ])("refuses %s", (_, change, message) => {
    expect(() => xlConfig({ ...SPEC, ...change })).toThrow(message);
  });
});

test.each([
  ['a"\nname="other', '"a\\"\\x0aname=\\"other"'],
  ["back\\slash", '"back\\\\slash"'],
  ["tab\tand\x7f", '"tab\\x09and\\x7f"'],
  ["$HOME 'ä'", "\"$HOME 'ä'\""],
])("quote keeps %j one string", (text, quoted) => {
  expect(quote(text)).toBe(quoted);
});
