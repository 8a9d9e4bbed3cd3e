import { describe, expect, it } from "vitest";
import type { Host } from "../../../../crds/generated/host.ts";
import type { Mirror } from "../../../../crds/generated/mirror.ts";
import type { VolumeGroup } from "../../../../crds/generated/volume-group.ts";
import { deviceConflict, placeMirror } from "../../../../reconcilers/mirror/placement.ts";

const READY = [{ type: "Ready", status: "True", reason: "x", message: "", lastTransitionTime: "" }] as const;

const host = (name: string, overrides: Partial<Host["spec"]> = {}, ready = true): Host => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Host",
  metadata: { name },
  spec: { address: "10.0.0.1", unschedulable: false, maintenance: "None", memoryReserve: "1Gi", ...overrides },
  status: { conditions: ready ? READY : [] },
});

const group = (name: string, hostName: string, free: string, labels: Record<string, string> = {}): VolumeGroup => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "VolumeGroup",
  metadata: { name, labels },
  spec: { hostName, physicalVolumes: [{ device: "/dev/sda" }], overwrite: false },
  status: { free },
});

const mirror = (name: string, spec: Partial<Mirror["spec"]>, created = "2026-01-01T00:00:00Z"): Mirror => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "Mirror",
  metadata: { name, namespace: "default", uid: `uid-${name}`, creationTimestamp: created },
  spec: { size: "1Gi", thin: false, allowTwoPrimaries: "Never", ...spec },
});

const world = {
  hosts: [host("alpha"), host("beta"), host("gamma")],
  volumeGroups: [group("a", "alpha", "5Gi"), group("b", "beta", "9Gi"), group("c", "gamma", "2Gi")],
  replicas: [],
  volumeGroupOf: () => undefined,
};

const sides = (placement: ReturnType<typeof placeMirror>) =>
  placement.kind === "placed"
    ? placement.sides.map(({ hostName, volumeGroupRef }) => `${hostName}/${volumeGroupRef?.name}`)
    : placement.reason;

describe("placeMirror", () => {
  it.each<[string, Partial<Mirror["spec"]>, Partial<typeof world>, unknown]>([
    ["takes the two with the most room", {}, {}, ["beta/b", "alpha/a"]],
    ["takes only where it fits", { size: "3Gi" }, {}, ["beta/b", "alpha/a"]],
    ["gives up when only one has room", { size: "6Gi" }, {}, "NoPlacement"],
    [
      "leaves out hosts that do not answer",
      {},
      { hosts: [host("alpha"), host("beta", {}, false), host("gamma")] },
      ["alpha/a", "gamma/c"],
    ],
    [
      "leaves out hosts that are unschedulable or drained",
      {},
      { hosts: [host("alpha", { unschedulable: true }), host("beta", { maintenance: "Drain" }), host("gamma")] },
      "NoPlacement",
    ],
    [
      "never puts both copies on one host",
      {},
      { volumeGroups: [group("a", "alpha", "5Gi"), group("a2", "alpha", "9Gi")] },
      "NoPlacement",
    ],
    [
      "honours selectors",
      { placement: { volumeGroupSelector: { matchLabels: { disk: "ssd" } } } },
      {
        volumeGroups: [
          group("a", "alpha", "5Gi", { disk: "ssd" }),
          group("b", "beta", "9Gi"),
          group("c", "gamma", "2Gi", { disk: "ssd" }),
        ],
      },
      ["alpha/a", "gamma/c"],
    ],
    [
      "takes what is named",
      {
        replicas: [
          { hostName: "gamma", device: "/dev/sdb" },
          { hostName: "alpha", device: "/dev/sdb" },
        ],
      },
      {},
      ["gamma/undefined", "alpha/undefined"],
    ],
    [
      "refuses a host that is not there",
      {
        replicas: [
          { hostName: "delta", device: "/dev/sdb" },
          { hostName: "alpha", device: "/dev/sdb" },
        ],
      },
      {},
      "HostUnknown",
    ],
  ])("%s", (_, spec, changes, expected) => {
    expect(sides(placeMirror(mirror("m", spec), { ...world, ...changes }))).toEqual(expected);
  });
});

describe("deviceConflict", () => {
  const on = (device: string) => ({
    replicas: [
      { hostName: "alpha", device },
      { hostName: "beta", device },
    ],
  });
  const older = mirror("older", on("/dev/sdb"));
  const younger = mirror("younger", on("/dev/sdb"), "2026-01-02T00:00:00Z");

  it("gives a device to the mirror that was there first, and names it to the other", () => {
    expect(deviceConflict(older, [younger, older])).toBeUndefined();
    expect(deviceConflict(younger, [younger, older])).toContain("/dev/sdb on alpha belongs to Mirror default/older");
  });
  it("lets two mirrors have different devices of one host", () => {
    expect(deviceConflict(mirror("other", on("/dev/sdc")), [older, younger])).toBeUndefined();
  });
});
