import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { describe, expect, it, test } from "vitest";
import { compileSchema } from "../../../apiserver/schema/compile.ts";
import type { CompiledSchema } from "../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { object } from "./admission/world.ts";

const compiled = new Map<string, CompiledSchema>();

function schemaOf(file: string): CompiledSchema {
  const known = compiled.get(file);
  if (known !== undefined) return known;
  const crd = parse(readFileSync(`crds/${file}.yaml`, "utf8"));
  const schema = compileSchema(crd.spec.versions[0].schema.openAPIV3Schema);
  compiled.set(file, schema);
  return schema;
}

/** What the API server answers to an object of one of our kinds, after defaults. */
function validate(file: string, changed: KubeObject, old?: KubeObject): string[] {
  const schema = schemaOf(file);
  const ready = (one: KubeObject) => {
    const copy = structuredClone(one);
    schema.applyDefaults(copy);
    return copy;
  };
  return schema.validate(ready(changed), old && ready(old)).map(({ field, message }) => `${field}: ${message}`);
}

const withSpec = (one: KubeObject, spec: object): KubeObject => ({
  ...one,
  spec: { ...(one["spec"] as object), ...spec },
});

describe("HostPair", () => {
  interface Change {
    readonly epoch?: number;
    readonly nonce?: string;
    readonly by?: string;
    readonly members?: readonly string[];
    readonly primary?: string | undefined;
    readonly window?: object;
    readonly inDoubt?: boolean;
  }
  const pair = ({
    epoch = 7,
    nonce = "n7",
    by = "alpha",
    members = ["alpha", "beta"],
    window,
    inDoubt,
    ...rest
  }: Change = {}) => {
    const primary = "primary" in rest ? rest.primary : "alpha";
    const record = {
      namespace: "default",
      name: "m1",
      uid: "m1",
      members,
      ...(primary === undefined ? {} : { primary }),
      ...(window === undefined ? {} : { window }),
      ...(inDoubt === undefined ? {} : { inDoubt }),
    };
    const decision = { nonce, by, bootID: "b", reason: "Test", time: "2026-01-01T00:00:00Z" };
    const status = { epoch, incarnation: "i", mirrors: [record], decision };
    return object("HostPair", "alpha.beta", { hosts: ["alpha", "beta"] }, { status });
  };
  const next = (change: Change) => pair({ epoch: 8, nonce: "n8", ...change });
  const shrunk = pair({ members: ["alpha"] });

  test.each([
    { name: "a first record", old: undefined, changed: pair(), refused: "" },
    { name: "no change at all", old: pair(), changed: pair(), refused: "" },
    { name: "a shrink by the primary", old: pair(), changed: next({ members: ["alpha"] }), refused: "" },
    {
      name: "a takeover by the other",
      old: pair(),
      changed: next({ by: "beta", members: ["beta"], primary: "beta" }),
      refused: "",
    },
    { name: "a grow by the primary", old: shrunk, changed: next({}), refused: "" },
    {
      name: "a decision without a higher epoch",
      old: pair(),
      changed: pair({ members: ["alpha"], nonce: "n8" }),
      refused: "epoch",
    },
    {
      name: "a host that the primary takes in because it writes already",
      old: shrunk,
      changed: next({ by: "alpha", members: ["alpha", "beta"], primary: "beta" }),
      refused: "",
    },
    { name: "an epoch that is two higher", old: pair(), changed: pair({ epoch: 9, nonce: "n8" }), refused: "epoch" },
    { name: "an epoch that goes back", old: pair(), changed: pair({ epoch: 6, nonce: "n8" }), refused: "epoch" },
    { name: "the nonce of before", old: pair(), changed: pair({ epoch: 8 }), refused: "nonce" },
    { name: "nobody as a member", old: pair(), changed: next({ members: [], primary: undefined }), refused: "members" },
    { name: "a stranger as a member", old: pair(), changed: next({ members: ["alpha", "gamma"] }), refused: "members" },
    { name: "a primary that is no member", old: pair(), changed: next({ members: ["beta"] }), refused: "primary" },
    {
      name: "a host that makes itself a member",
      old: shrunk,
      changed: next({ by: "beta" }),
      refused: "by the hand of",
    },
    {
      name: "a host outside that takes over",
      old: shrunk,
      changed: next({ by: "beta", members: ["alpha", "beta"], primary: "beta" }),
      refused: "can become primary",
    },
    {
      name: "a member made while nobody is primary",
      old: pair({ members: ["alpha"], primary: undefined }),
      changed: next({}),
      refused: "by the hand of",
    },
    {
      name: "a copy outside that counts by a person's word, while the only member is in doubt",
      old: pair({ members: ["alpha"], inDoubt: true }),
      changed: next({ by: "beta", members: ["beta"], primary: undefined }),
      refused: "",
    },
    {
      name: "a window without both as members",
      old: shrunk,
      changed: next({ members: ["alpha"], window: { from: "alpha", to: "beta" } }),
      refused: "window",
    },
    { name: "a window with both", old: pair(), changed: next({ window: { from: "alpha", to: "beta" } }), refused: "" },
    { name: "a decision of a stranger", old: pair(), changed: next({ by: "gamma" }), refused: "only the two hosts" },
  ])("$name: refused for '$refused'", ({ old, changed, refused }) => {
    const errors = validate("host-pair", changed, old);
    if (refused === "") expect(errors).toEqual([]);
    else expect(errors.join("\n")).toContain(refused);
  });

  it("keeps its record", () => {
    const { status: _, ...without } = pair();
    expect(validate("host-pair", without, pair()).join()).toContain("never taken back");
  });

  it("takes a person's word about one mirror only with the epoch that it was given for", () => {
    const trusted = (trust: object) => object("HostPair", "alpha.beta", { hosts: ["alpha", "beta"], trust });
    const word = { hostName: "beta", incarnation: "i" };
    const mirror = { namespace: "default", name: "m1" };
    expect(validate("host-pair", trusted(word))).toEqual([]);
    expect(validate("host-pair", trusted({ ...word, mirror, epoch: 7 }))).toEqual([]);
    expect(validate("host-pair", trusted({ ...word, mirror })).join()).toContain("epoch");
    expect(validate("host-pair", trusted({ ...word, epoch: 7 })).join()).toContain("epoch");
    expect(validate("host-pair", trusted({ ...word, hostName: "gamma", mirror, epoch: 7 }))).not.toEqual([]);
  });

  it("is named after its hosts, in order", () => {
    const named = (name: string, hosts: string[]) => object("HostPair", name, { hosts });
    expect(validate("host-pair", named("alpha.beta", ["alpha", "beta"]))).toEqual([]);
    expect(validate("host-pair", named("alpha.gamma", ["alpha", "beta"]))).not.toEqual([]);
    expect(validate("host-pair", named("beta.alpha", ["beta", "alpha"]))).not.toEqual([]);
    expect(validate("host-pair", named("alpha.alpha", ["alpha", "alpha"]))).not.toEqual([]);
  });

  it("can be judged with as many mirrors as it may have", () => {
    const many = (epoch: number) => {
      const one = pair({ epoch, nonce: `n${epoch}` });
      const status = one["status"] as { mirrors: object[] };
      status.mirrors = Array.from({ length: 256 }, (_, index) => ({
        ...status.mirrors[0],
        name: `m${index}`,
        uid: `u${index}`,
      }));
      return one;
    };
    expect(validate("host-pair", many(8), many(7))).toEqual([]);
  });
});

describe("Volume", () => {
  const volume = object("Volume", "data", { volumeGroupRef: { name: "vg" }, size: "10Gi" });

  test.each([
    { name: "a larger size", spec: { size: "20Gi" }, refused: "" },
    { name: "a smaller size, which the agent refuses by condition", spec: { size: "5Gi" }, refused: "" },
    { name: "a size in bytes", spec: { size: 1073741824 }, refused: "" },
    { name: "another group", spec: { volumeGroupRef: { name: "other" } }, refused: "volumeGroupRef cannot be changed" },
    { name: "another kind", spec: { thin: true }, refused: "thin cannot be changed" },
    { name: "a file system later", spec: { fileSystem: { type: "ext4" } }, refused: "fileSystem cannot be changed" },
    { name: "a negative size", spec: { size: "-1Gi" }, refused: "spec.size" },
    { name: "no size", spec: { size: 0 }, refused: "spec.size" },
  ])("$name: refused for '$refused'", ({ spec, refused }) => {
    const errors = validate("volume", withSpec(volume, spec), volume);
    if (refused === "") expect(errors).toEqual([]);
    else expect(errors.join("\n")).toContain(refused);
  });

  test.each([
    ["a", true],
    ["a".repeat(40), true],
    ["a".repeat(41), false],
    ["a.b", false],
    ["-a", false],
    ["a-", false],
  ])("may be named %s: %s", (name, allowed) => {
    expect(
      validate("volume", object("Volume", name, { volumeGroupRef: { name: "vg" }, size: "1Gi" })).length === 0,
    ).toBe(allowed);
  });

  test.each([
    { source: { volumeRef: { name: "a" } }, refused: "" },
    { source: {}, refused: "exactly one of" },
    { source: { volumeRef: { name: "a" }, snapshotRef: { name: "b" } }, refused: "exactly one of" },
    { source: { image: { url: "http://x/y" } }, refused: "needs its sha256" },
    { source: { image: { path: "/etc/shadow" } }, refused: "path" },
    { source: { image: { path: "/var/lib/ferrite/images/../../../../etc/shadow" } }, refused: "path" },
    { source: { image: { path: "/var/lib/ferrite/images/debian-12.raw" } }, refused: "" },
  ])("with source $source: refused for '$refused'", ({ source, refused }) => {
    const errors = validate("volume", withSpec(volume, { source }));
    if (refused === "") expect(errors).toEqual([]);
    else expect(errors.join("\n")).toContain(refused);
  });
});

describe("other kinds", () => {
  const fits = (file: string, kind: string, spec: object, old?: object) =>
    validate(file, object(kind, "a", { ...spec }), old && object(kind, "a", { ...old }));
  const device = { device: "/dev/sdb" };
  const mirrorRef = { mirrorRef: { namespace: "default", name: "m" } };

  test.each([
    {
      name: "VolumeGroup on disks",
      file: "volume-group",
      kind: "VolumeGroup",
      spec: { hostName: "alpha", physicalVolumes: [device] },
      refused: "",
    },
    {
      name: "VolumeGroup on a mirror",
      file: "volume-group",
      kind: "VolumeGroup",
      spec: { physicalVolumes: [mirrorRef] },
      refused: "",
    },
    {
      name: "VolumeGroup without a host",
      file: "volume-group",
      kind: "VolumeGroup",
      spec: { physicalVolumes: [device] },
      refused: "set hostName",
    },
    {
      name: "VolumeGroup on both",
      file: "volume-group",
      kind: "VolumeGroup",
      spec: { hostName: "alpha", physicalVolumes: [device, mirrorRef] },
      refused: "set hostName",
    },
    {
      name: "VolumeGroup on one device twice",
      file: "volume-group",
      kind: "VolumeGroup",
      spec: { hostName: "alpha", physicalVolumes: [device, device] },
      refused: "listed once",
    },
    {
      name: "Mirror with a strange primary",
      file: "mirror",
      kind: "Mirror",
      spec: {
        size: "1Gi",
        replicas: [
          { hostName: "alpha", device: "/dev/sdb" },
          { hostName: "beta", device: "/dev/sdb" },
        ],
        primary: { hostName: "gamma" },
      },
      refused: "preferred primary",
    },
    {
      name: "Mirror on one host",
      file: "mirror",
      kind: "Mirror",
      spec: { size: "1Gi", replicas: [{ hostName: "alpha", device: "/dev/sdb" }] },
      refused: "replicas",
    },
    {
      name: "Mirror twice on one host",
      file: "mirror",
      kind: "Mirror",
      spec: {
        size: "1Gi",
        replicas: [
          { hostName: "alpha", device: "/dev/sdb" },
          { hostName: "alpha", device: "/dev/sdc" },
        ],
      },
      refused: "Duplicate value",
    },
    {
      name: "Mirror without a place",
      file: "mirror",
      kind: "Mirror",
      spec: { size: "1Gi" },
      refused: "exactly one of replicas, placement",
    },
    {
      name: "Export of two things",
      file: "export",
      kind: "Export",
      spec: { volumeRef: { name: "a" }, mirrorRef: { name: "b" } },
      refused: "exactly one of volumeRef",
    },
    { name: "Export of nothing", file: "export", kind: "Export", spec: {}, refused: "exactly one of volumeRef" },
    {
      name: "Export with CHAP by NBD",
      file: "export",
      kind: "Export",
      spec: { volumeRef: { name: "a" }, chapSecretRef: { name: "s" } },
      refused: "chapSecretRef is for",
    },
    {
      name: "VirtualMachine that reads files of the host",
      file: "virtual-machine",
      kind: "VirtualMachine",
      spec: { hypervisor: "Xen", memory: { size: "1Gi" }, boot: { kernel: "/etc/shadow" } },
      refused: "kernel",
    },
    {
      name: "VirtualMachine that runs any program as a boot loader",
      file: "virtual-machine",
      kind: "VirtualMachine",
      spec: { hypervisor: "Xen", memory: { size: "1Gi" }, boot: { bootloader: "/bin/sh" } },
      refused: "bootloader",
    },
    {
      name: "KVM with a boot loader",
      file: "virtual-machine",
      kind: "VirtualMachine",
      spec: { hypervisor: "KVM", memory: { size: "1Gi" }, boot: { bootloader: "pygrub" } },
      refused: "are for hypervisor Xen",
    },
    {
      name: "VirtualMachine that boots two ways",
      file: "virtual-machine",
      kind: "VirtualMachine",
      spec: { hypervisor: "Xen", memory: { size: "1Gi" }, boot: { bootloader: "pygrub", firmware: "UEFI" } },
      refused: "set kernel, or bootloader",
    },
  ])("$name: refused for '$refused'", ({ file, kind, spec, refused }) => {
    const errors = fits(file, kind, spec);
    if (refused === "") expect(errors).toEqual([]);
    else expect(errors.join("\n")).toContain(refused);
  });

  it("a guest's right to run moves by one step at a time", () => {
    const spec = { hypervisor: "KVM", memory: { size: "1Gi" }, boot: { firmware: "BIOS" } };
    const running = (epoch: number, hostName: string) =>
      object("VirtualMachine", "vm", spec, { status: { run: { epoch, hostName } } });
    expect(validate("virtual-machine", running(4, "beta"), running(3, "alpha"))).toEqual([]);
    expect(validate("virtual-machine", running(3, "beta"), running(3, "alpha")).join()).toContain("exactly 1");
    expect(validate("virtual-machine", running(5, "beta"), running(3, "alpha")).join()).toContain("exactly 1");
    expect(
      validate("virtual-machine", object("VirtualMachine", "vm", spec, { status: {} }), running(3, "alpha")).join(),
    ).toContain("never taken back");
  });
});
