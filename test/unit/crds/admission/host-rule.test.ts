import { describe, expect, it, test } from "vitest";
import { admit } from "../../../../crds/admission/admit.ts";
import { HOST_PATHS, hostsOf } from "../../../../crds/admission/host-rule.ts";
import { hostMayReadSecret } from "../../../../crds/admission/secrets.ts";
import { ALL_KINDS } from "../../../../crds/generated/kinds.ts";
import { agent, creating, deleting, lister, object, updating } from "./world.ts";

const alpha = { user: agent("alpha") };
const volume = object("Volume", "v1", { size: "1Gi" }, { status: { hostName: "alpha" } });
const fields = (errors: readonly { readonly field: string }[]) => errors.map(({ field }) => field);

it("names only kinds that there are", () => {
  const plurals = ALL_KINDS.map(({ plural }) => plural);
  expect(Object.keys(HOST_PATHS).filter((plural) => !plurals.includes(plural))).toEqual([]);
});

it("finds the hosts of an object", () => {
  expect(hostsOf("hostpairs", { spec: { hosts: ["alpha", "beta"] } })).toEqual(["alpha", "beta"]);
  expect(hostsOf("virtualmachines", { status: { hostName: "a", run: { hostName: "b" } } })).toEqual(["a", "b"]);
  expect(hostsOf("volumes", { spec: {} })).toEqual([]);
  expect(hostsOf("mirrors", { status: { hostName: "alpha" } })).toEqual([]);
});

describe("an agent", () => {
  it("reports on what is on its host", () => {
    expect(admit(updating(volume, { status: { capacity: "1Gi" } }, alpha), lister(volume))).toEqual([]);
  });

  it("reports on nothing that is on another host, nor on what has no host", () => {
    const elsewhere = object("Volume", "v2", {}, { status: { hostName: "beta" } });
    const nowhere = object("Volume", "v3", {});
    expect(fields(admit(updating(elsewhere, { status: { hostName: "alpha" } }, alpha), lister()))).toEqual([""]);
    expect(fields(admit(updating(nowhere, { status: { hostName: "alpha" } }, alpha), lister()))).toEqual([""]);
  });

  it("gives nothing away to another host", () => {
    const errors = admit(updating(volume, { status: { hostName: "beta" } }, alpha), lister());
    expect(fields(errors)).toEqual(["status.hostName"]);
  });

  it("hands a guest's run record over in a migration", () => {
    const vm = object(
      "VirtualMachine",
      "vm",
      {},
      { status: { hostName: "alpha", run: { epoch: 1, hostName: "alpha" } } },
    );
    const moved = updating(vm, { status: { run: { epoch: 2, hostName: "beta" } } }, { ...alpha, verb: "patch" });
    expect(admit(moved, lister())).toEqual([]);
  });

  it("sets and removes the cleanup finalizer, and no other", () => {
    const change = (finalizers: string[]) =>
      updating(volume, { metadata: { finalizers, resourceVersion: "9" } }, alpha);
    expect(admit(change(["ferrite.dev/cleanup"]), lister())).toEqual([]);
    expect(admit(change(["someone.else/hook"]), lister())).toHaveLength(1);
  });

  test.each([
    { name: "spec", change: { spec: { size: "2Gi" } } },
    { name: "labels", change: { metadata: { labels: { a: "b" } } } },
    { name: "owners", change: { metadata: { ownerReferences: [] } } },
  ])("cannot change $name", ({ change }) => {
    expect(admit(updating(volume, change, alpha), lister())).toHaveLength(1);
  });

  it("makes only its own Host and deletes nothing", () => {
    expect(admit(creating(object("Host", "alpha", { address: "192.0.2.1" }), alpha), lister())).toEqual([]);
    expect(admit(creating(object("Host", "beta", { address: "192.0.2.1" }), alpha), lister())).toHaveLength(1);
    expect(admit(creating(volume, alpha), lister())).toHaveLength(1);
    expect(admit(deleting(volume, alpha), lister())).toHaveLength(1);
  });

  it("without a host's name may do nothing", () => {
    const user = { name: "ferrite:someone", groups: ["ferrite:hosts"] };
    expect(admit(updating(volume, { status: {} }, { user }), lister())).toHaveLength(1);
  });
});

describe("a Secret", () => {
  const world = lister(
    object("MirrorReplica", "m1-alpha", { hostName: "alpha", sharedSecretRef: { name: "drbd" }, backing: {} }),
    object("Export", "e1", { chapSecretRef: { name: "chap" } }, { status: { hostName: "beta" } }),
    object("Import", "i1", { hostName: "gamma", exportRef: { name: "e1" } }),
  );
  test.each([
    ["alpha", "drbd", true],
    ["beta", "drbd", false],
    ["beta", "chap", true],
    ["gamma", "chap", true],
    ["alpha", "chap", false],
  ])("%s may read %s: %s", (host, name, allowed) => {
    expect(hostMayReadSecret(world, host, "default", name)).toBe(allowed);
    expect(hostMayReadSecret(world, host, "other", name)).toBe(false);
  });
});
