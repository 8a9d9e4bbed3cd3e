import { describe, expect, it, test } from "vitest";
import type { Host } from "../../../../crds/generated/host.ts";
import type { Import } from "../../../../crds/generated/import.ts";
import type { Mirror } from "../../../../crds/generated/mirror.ts";
import type { VirtualMachine, VirtualMachineSpec } from "../../../../crds/generated/virtual-machine.ts";
import { placeVm, type PlacementWorld } from "../../../../reconcilers/virtual-machine-placement/place.ts";
import { volumeOn, vmOf } from "../virtual-machine/world.ts";

const GIB = 2 ** 30;

const host = (
  name: string,
  over: Partial<Host["spec"]> = {},
  status: Partial<NonNullable<Host["status"]>> = {},
): Host =>
  ({
    apiVersion: "ferrite.dev/v1alpha1",
    kind: "Host",
    metadata: { name, labels: { disk: name === "gamma" ? "none" : "ssd" } },
    spec: { unschedulable: false, maintenance: "None", ...over },
    status: {
      conditions: [{ type: "Ready", status: "True", reason: "", message: "", lastTransitionTime: "" }],
      allocatable: { memory: `${4 * GIB}` },
      software: { qemu: "7.2" },
      ...status,
    },
  }) as Host;
const NOT_READY = {
  conditions: [{ type: "Ready", status: "False" as const, reason: "", message: "", lastTransitionTime: "" }],
};

const reader = <T extends { metadata: { namespace?: string; name: string } }>(...all: readonly T[]) => ({
  list: () => all,
  get: ({ name }: { name: string }) => all.find(({ metadata }) => metadata.name === name),
});
const mirror = (primary: string | undefined, over: Partial<Mirror> = {}): Mirror =>
  ({
    metadata: { namespace: "default", name: "m" },
    spec: {},
    status: { members: ["alpha", "beta"], ...(primary === undefined ? {} : { primary }) },
    ...over,
  }) as Mirror;

const HOSTS = [host("alpha"), host("beta"), host("gamma")];
const world = (over: Partial<PlacementWorld> = {}): PlacementWorld => ({
  hosts: HOSTS,
  vms: [],
  hostOf: ({ status }) => status?.run?.hostName ?? status?.hostName,
  volumes: reader(volumeOn("beta")),
  mirrors: reader(mirror("alpha")),
  imports: reader({ metadata: { namespace: "default", name: "i" }, spec: { hostName: "gamma" } } as Import),
  ...over,
});
const fresh = (spec: Partial<VirtualMachineSpec> = {}, name = "web"): VirtualMachine => ({
  ...vmOf(spec, name),
  status: {},
});
const running = (name: string, on: string, memory: string, labels: Record<string, string> = {}): VirtualMachine => {
  const vm = vmOf({ memory: { size: memory } }, name);
  return { ...vm, metadata: { ...vm.metadata, labels }, status: { hostName: on, run: { epoch: 1, hostName: on } } };
};
const disk = (source: object) => ({ disks: [{ target: "vda", source, readOnly: false }] });
const where = (vm: VirtualMachine, over: Partial<PlacementWorld> = {}) => {
  const placement = placeVm(vm, world(over));
  return placement.kind === "placed" ? placement.hostName : placement.message;
};

describe("a guest goes", () => {
  test.each([
    { name: "where its volume is", spec: disk({ volumeRef: { name: "disk" } }), on: "beta" },
    { name: "where its disk is imported", spec: disk({ importRef: { name: "i" } }), on: "gamma" },
    { name: "to the primary of its mirror", spec: disk({ mirrorRef: { name: "m" } }), on: "alpha" },
    {
      name: "to the other side of its mirror when it prefers that",
      spec: { ...disk({ mirrorRef: { name: "m" } }), placement: { preferredHost: "beta" } },
      on: "beta",
    },
    { name: "where it is told to", spec: { placement: { hostName: "gamma" } }, on: "gamma" },
    {
      name: "where the labels are",
      spec: { placement: { hostSelector: { matchLabels: { disk: "none" } } } },
      on: "gamma",
    },
  ])("$name", ({ spec, on }) => {
    expect(where(fresh(spec))).toBe(on);
  });

  it("where most memory is left, and stays where it was while that fits", () => {
    const vms = [running("a", "alpha", "1Gi"), running("b", "beta", "3Gi"), running("c", "gamma", "2Gi")];
    expect(where(fresh(), { vms })).toBe("alpha");
    expect(where({ ...fresh(), status: { hostName: "beta" } }, { vms })).toBe("beta");
    expect(where({ ...fresh({ memory: { size: "2Gi" } }), status: { hostName: "beta" } }, { vms })).toBe("alpha");
  });

  it("past guests that are halted, whose memory is free", () => {
    const halted = {
      ...vmOf({ runStrategy: "Halted", memory: { size: "4Gi" } }, "off"),
      status: { hostName: "alpha" },
    };
    expect(where(fresh({ placement: { hostName: "alpha" } }), { vms: [halted] })).toBe("alpha");
    const ending = { ...halted, status: { hostName: "alpha", run: { epoch: 1, hostName: "alpha" } } };
    expect(where(fresh({ placement: { hostName: "alpha" } }), { vms: [ending] })).toMatch(/^0\/3 hosts/);
  });

  it("away from its rivals of the same namespace", () => {
    const spec = { placement: { antiAffinity: { matchLabels: { app: "db" } } } };
    const vms = ["alpha", "beta"].map((on) => running(`db-${on}`, on, "1Mi", { app: "db" }));
    expect(where(fresh(spec), { vms })).toBe("gamma");
  });
});

describe("a guest goes nowhere", () => {
  it("for a reason of each host", () => {
    const hosts = [
      host("alpha", {}, NOT_READY),
      host("beta", { maintenance: "Drain" }),
      host("gamma", {}, { allocatable: { memory: `${GIB}` } }),
      host("delta", {}, { software: {} }),
    ];
    expect(where(fresh({ memory: { size: "2Gi" } }), { hosts, vms: [running("a", "gamma", "512Mi")] })).toBe(
      "0/4 hosts can run it: alpha: is not Ready; beta: is being drained; " +
        "gamma: 2Gi of memory are asked for, 512Mi of 1024Mi are left; delta: does not run KVM",
    );
  });

  test.each([
    {
      name: "when its disks are on two hosts",
      spec: {
        disks: [
          { target: "vda", source: { volumeRef: { name: "disk" } }, readOnly: false },
          { target: "vdb", source: { importRef: { name: "i" } }, readOnly: false },
        ],
      },
      message: /alpha: disk vda \(Volume disk\) is on beta; beta: disk vdb \(Import i\) is on gamma; gamma: disk vda/,
    },
    {
      name: "when a disk is not there",
      spec: disk({ volumeRef: { name: "gone" } }),
      message: /waits for disk vda \(Volume gone\): Volume gone is not there/,
    },
    {
      name: "when it is told to go where its disk is not",
      spec: { ...disk({ volumeRef: { name: "disk" } }), placement: { hostName: "alpha" } },
      message: /alpha: disk vda \(Volume disk\) is on beta; beta: spec.placement.hostName asks for alpha/,
    },
  ])("$name", ({ spec, message }) => {
    expect(where(fresh(spec))).toMatch(message);
  });

  it("when there is no host at all", () => {
    expect(where(fresh(), { hosts: [] })).toBe("0/0 hosts can run it: there is no Host");
  });
});

describe("a mirror's primary is not asked to move", () => {
  const onBeta = fresh({ ...disk({ mirrorRef: { name: "m" } }), placement: { hostName: "beta" } });
  const refused = /beta: disk vda \(Mirror m\) is on alpha/;

  it("against its administrator's word", () => {
    const asked = mirror("alpha", { spec: { primary: { hostName: "alpha" } } as Mirror["spec"] });
    expect(where(onBeta, { mirrors: reader(asked) })).toMatch(refused);
  });

  it("to a side that may lack acknowledged writes", () => {
    const alone = mirror("alpha", { status: { primary: "alpha", members: ["alpha"] } });
    expect(where(onBeta, { mirrors: reader(alone) })).toMatch(refused);
  });

  it("from a host that does not answer: that is a failover, and not the scheduler's business", () => {
    expect(where(onBeta, { hosts: [host("alpha", {}, NOT_READY), host("beta")] })).toMatch(refused);
  });
});
