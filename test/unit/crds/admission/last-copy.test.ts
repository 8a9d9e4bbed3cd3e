import { describe, expect, it, test } from "vitest";
import { admit } from "../../../../crds/admission/admit.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { deleting, lister, object, updating } from "./world.ts";

const REPLICAS = ["alpha", "beta"].map((hostName) => ({ hostName, volumeGroupRef: { name: `vg-${hostName}` } }));

function mirror(disks: Record<string, string>, state = "GenerationSet"): KubeObject {
  const replicas = Object.entries(disks).map(([hostName, diskState]) => ({ hostName, diskState }));
  return object(
    "Mirror",
    "m1",
    { size: "1Gi", replicas: REPLICAS },
    { status: { firstGeneration: { state }, replicas } },
  );
}
const replica = (host: string) =>
  object("MirrorReplica", `m1-${host}`, {
    mirrorRef: { name: "m1" },
    hostName: host,
    backing: { volumeRef: { name: `m1-${host}` } },
  });
const volume = (host: string) => object("Volume", `m1-${host}`, { volumeGroupRef: { name: `vg-${host}` } });
const group = (host: string) => object("VolumeGroup", `vg-${host}`, { hostName: host, physicalVolumes: [] });
const parts = ["alpha", "beta"].flatMap((host) => [replica(host), volume(host), group(host), object("Host", host, {})]);

const both = { alpha: "UpToDate", beta: "UpToDate" };
const onlyAlpha = { alpha: "UpToDate", beta: "Inconsistent" };

describe("deleting", () => {
  test.each(["MirrorReplica", "Volume", "VolumeGroup", "Host"])("a %s with the only good copy is refused", (kind) => {
    const last = parts.find((part) => part.kind === kind && part.metadata.name?.endsWith("alpha"))!;
    expect(admit(deleting(last), lister(mirror(both), ...parts))).toEqual([]);
    expect(admit(deleting(last), lister(mirror(onlyAlpha), ...parts))).toEqual([
      {
        reason: "FieldValueForbidden",
        field: "",
        message:
          "Forbidden: Mirror default/m1 would be left without a good copy: the only good copy is on alpha; " +
          "wait for the resynchronisation",
      },
    ]);
  });

  it("the other side is granted", () => {
    expect(admit(deleting(replica("beta")), lister(mirror(onlyAlpha), ...parts))).toEqual([]);
  });

  it("is refused while nobody knows which copy is good", () => {
    expect(admit(deleting(replica("beta")), lister(mirror({}), ...parts))).toHaveLength(1);
  });

  it("is granted before there is data, and when the mirror itself is being deleted", () => {
    expect(admit(deleting(replica("alpha")), lister(mirror(onlyAlpha, "Planned"), ...parts))).toEqual([]);
    const dying = mirror(onlyAlpha);
    dying.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    expect(admit(deleting(replica("alpha")), lister(dying, ...parts))).toEqual([]);
    expect(admit(deleting(mirror(onlyAlpha)), lister(mirror(onlyAlpha), ...parts))).toEqual([]);
  });

  it("does not trust an UpToDate disk that is no member", () => {
    const record = { namespace: "default", name: "m1", uid: "Mirror-m1", members: ["alpha"] };
    const pair = object("HostPair", "alpha.beta", { hosts: ["alpha", "beta"] }, { status: { mirrors: [record] } });
    expect(admit(deleting(replica("alpha")), lister(mirror(both), pair, ...parts))).toHaveLength(1);
  });
});

describe("changing a mirror's replicas", () => {
  const move = (from: string, to: object) => REPLICAS.map((one) => (one.hostName === from ? to : one));

  test.each([
    { name: "off the only good copy", disks: onlyAlpha, from: "alpha", to: { hostName: "gamma" }, refused: true },
    { name: "off the bad copy", disks: onlyAlpha, from: "beta", to: { hostName: "gamma" }, refused: false },
    { name: "off one of two good copies", disks: both, from: "alpha", to: { hostName: "gamma" }, refused: false },
    {
      name: "onto another group of the same host",
      disks: onlyAlpha,
      from: "alpha",
      to: { hostName: "alpha", volumeGroupRef: { name: "other" } },
      refused: true,
    },
  ])("$name: refused $refused", ({ disks, from, to, refused }) => {
    const old = mirror(disks);
    const errors = admit(updating(old, { spec: { replicas: move(from, to) } }), lister(old, ...parts));
    expect(errors.length > 0).toBe(refused);
  });
});
