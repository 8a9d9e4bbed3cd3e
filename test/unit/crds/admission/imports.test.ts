import { describe, expect, it, test } from "vitest";
import { admit } from "../../../../crds/admission/admit.ts";
import { creating, lister, object, updating } from "./world.ts";

const mirror = (name: string, ...hosts: readonly string[]) =>
  object("Mirror", name, { size: "1Gi", replicas: hosts.map((hostName) => ({ hostName, device: "/dev/sdb" })) });
const group = (hostName: string) => object("VolumeGroup", `vg-${hostName}`, { hostName, physicalVolumes: [] });
const volume = (name: string, hostName: string) =>
  object("Volume", name, { volumeGroupRef: { name: `vg-${hostName}` }, size: "1Gi" });
const exported = (name: string, source: object) => object("Export", name, { ...source, readOnly: false });
const imported = (name: string, exportName: string, hostName: string, readOnly = false) =>
  object("Import", name, { exportRef: { name: exportName }, hostName, readOnly });

const m1 = mirror("m1", "alpha", "beta");
const e1 = exported("e1", { mirrorRef: { name: "m1" } });
const messages = (errors: readonly { readonly message: string }[]) => errors.map(({ message }) => message);

describe("an Import", () => {
  it("is granted on a third host", () => {
    expect(admit(creating(imported("i1", "e1", "gamma")), lister(m1, e1))).toEqual([]);
  });

  test.each(["alpha", "beta"])("is refused on %s, which holds a copy of the mirror behind the export", (host) => {
    const errors = admit(creating(imported("i1", "e1", host)), lister(m1, e1));
    expect(messages(errors)).toEqual([
      `Forbidden: Import default/i1 is on host ${host}, which serves the export or can come to serve it`,
    ]);
  });

  it("is refused on the host of the exported volume, also read-only", () => {
    const world = lister(group("alpha"), volume("v1", "alpha"), exported("e2", { volumeRef: { name: "v1" } }));
    expect(admit(creating(imported("i1", "e2", "alpha", true)), world)).toHaveLength(1);
  });

  it("is granted while its export is not there yet, and then the export is refused", () => {
    const one = imported("i1", "e1", "alpha");
    expect(admit(creating(one), lister(m1))).toEqual([]);
    expect(admit(creating(e1), lister(m1, one))).toHaveLength(1);
  });
});

describe("a circle of writable imports", () => {
  const world = [
    group("alpha"),
    group("beta"),
    group("gamma"),
    volume("va", "alpha"),
    volume("vb", "beta"),
    volume("vc", "gamma"),
    exported("ea", { volumeRef: { name: "va" } }),
    exported("eb", { volumeRef: { name: "vb" } }),
    exported("ec", { volumeRef: { name: "vc" } }),
  ];
  const aFromB = imported("a-from-b", "eb", "alpha");
  const bFromC = imported("b-from-c", "ec", "beta");

  it("of two hosts is refused", () => {
    const errors = admit(creating(imported("b-from-a", "ea", "beta")), lister(...world, aFromB));
    expect(messages(errors).join()).toContain("circle between hosts (");
  });

  it("of three hosts is refused, and names them", () => {
    const errors = admit(creating(imported("c-from-a", "ea", "gamma")), lister(...world, aFromB, bFromC));
    expect(errors).toHaveLength(1);
    for (const host of ["alpha", "beta", "gamma"]) expect(errors[0]!.message).toContain(host);
  });

  it("is granted when one of them is read-only", () => {
    expect(admit(creating(imported("b-from-a", "ea", "beta", true)), lister(...world, aFromB))).toEqual([]);
  });

  it("is refused when a read-only import becomes writable", () => {
    const reader = imported("b-from-a", "ea", "beta", true);
    const request = updating(reader, { spec: { readOnly: false } });
    expect(admit(request, lister(...world, aFromB, reader))).toHaveLength(1);
  });

  it("that is there already does not stop other requests", () => {
    const circle = imported("b-from-a", "ea", "beta");
    expect(admit(creating(imported("b-from-c", "ec", "beta")), lister(...world, aFromB, circle))).toEqual([]);
  });
});

it("a Mirror that gets a replica on an importing host is refused", () => {
  const importer = imported("i1", "e1", "gamma");
  const request = updating(m1, { spec: { replicas: [{ hostName: "alpha" }, { hostName: "gamma" }] } });
  const errors = admit(request, lister(m1, e1, importer));
  expect(messages(errors).join()).toContain("Import default/i1 is on host gamma");
});
