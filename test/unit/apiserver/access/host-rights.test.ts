import { describe, expect, it, test } from "vitest";
import { admitWrite, type Write } from "../../../../apiserver/access/admission.ts";
import { EscalationCheck } from "../../../../apiserver/access/escalation.ts";
import { hostAuthorizer } from "../../../../apiserver/access/host-authorizer.ts";
import { firstToAllow, rbacAuthorizer } from "../../../../apiserver/access/rbac/authorizer.ts";
import type { Attributes } from "../../../../apiserver/access/types.ts";
import type { Lister } from "../../../../crds/admission/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { ask, index, user } from "./policy-builders.ts";

/** Everything is asked by the agent of host a; b is the other host. */
const A = user("ferrite:host:a", "ferrite:hosts");
const FERRITE = "ferrite.dev";

const object = (kind: string, name: string, fields: object = {}, namespace = "ns"): KubeObject => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind,
  metadata: { name, namespace, uid: `uid-${name}` },
  ...fields,
});

const WORLD: Readonly<Record<string, readonly KubeObject[]>> = {
  mirrorreplicas: [
    object("MirrorReplica", "m-a", { spec: { hostName: "a", sharedSecretRef: { name: "drbd-a" } } }),
    object("MirrorReplica", "m-b", { spec: { hostName: "b", sharedSecretRef: { name: "drbd-b" } } }),
  ],
  exports: [
    object("Export", "e-a", {
      spec: { chapSecretRef: { name: "chap-a" }, tls: { secretRef: { name: "tls-a" } } },
      status: { hostName: "a" },
    }),
    object("Export", "e-b", { spec: { chapSecretRef: { name: "chap-b" } }, status: { hostName: "b" } }),
    object("Export", "e-c", { spec: { chapSecretRef: { name: "chap-c" } }, status: { hostName: "b" } }),
  ],
  imports: [
    object("Import", "i-a", { spec: { hostName: "a", exportRef: { name: "e-b" } } }),
    object("Import", "i-b", { spec: { hostName: "b", exportRef: { name: "e-c" } } }),
  ],
};

const lister: Lister = { list: (type) => (WORLD[type.plural] ?? []) as never[] };
const policy = index();
const authorizer = firstToAllow([hostAuthorizer(() => Promise.resolve(lister)), rbacAuthorizer(policy)]);
const deps = {
  escalation: new EscalationCheck(policy, authorizer),
  authorizer,
  read: () => Promise.resolve({ list: () => [] }),
};

const may = async (attributes: Attributes): Promise<boolean> => (await authorizer.authorize(attributes)).allowed;

/** Authorization, then admission, as the server runs them; `true`: the write would be stored. */
async function write(
  plural: string,
  verb: "create" | "update" | "patch" | "delete",
  old: KubeObject | undefined,
  updated: KubeObject | undefined,
  more: { subresource?: string; group?: string; who?: typeof A } = {},
): Promise<boolean> {
  const { subresource = "", group = FERRITE, who = A } = more;
  const subject = (updated ?? old)!;
  const resource = subresource === "" ? plural : `${plural}/${subresource}`;
  const name = verb === "create" ? "" : (subject.metadata.name ?? "");
  if (!(await may(ask(who, verb, resource, { apiGroup: group, namespace: subject.metadata.namespace ?? "", name }))))
    return false;
  const change: Write = {
    resource: { group, plural, kind: subject.kind },
    user: who,
    verb,
    subresource,
    old,
    updated,
    operation: verb === "create" ? "create" : verb === "delete" ? "delete" : "update",
  };
  return admitWrite(deps, change).then(
    () => true,
    (error) => {
      expect(["Forbidden", "Invalid"]).toContain(error.reason);
      return false;
    },
  );
}

const KINDS = [
  "hosts",
  "volumegroups",
  "volumes",
  "snapshots",
  "mirrors",
  "mirrorreplicas",
  "hostpairs",
  "exports",
  "imports",
  "virtualmachines",
  "migrations",
  "allocations",
];

describe("an agent reads", () => {
  test.each(KINDS)("all %s", async (plural) => {
    for (const verb of ["get", "list", "watch"])
      expect(await may(ask(A, verb, plural, { apiGroup: FERRITE }))).toBe(true);
  });

  test.each([
    ["configmaps", ""],
    ["nodes", ""],
    ["namespaces", ""],
    ["roles", "rbac.authorization.k8s.io"],
    ["customresourcedefinitions", "apiextensions.k8s.io"],
  ])("no %s", async (plural, apiGroup) => {
    expect(await may(ask(A, "list", plural, { apiGroup }))).toBe(false);
  });

  test.each<[string, string, boolean]>([
    ["drbd-a", "ns", true],
    ["drbd-b", "ns", false],
    ["chap-a", "ns", true],
    ["tls-a", "ns", true],
    ["chap-b", "ns", true],
    ["chap-c", "ns", false],
    ["drbd-a", "other", false],
    ["unrelated", "ns", false],
  ])("the Secret %s in %s: %s", async (name, namespace, expected) => {
    expect(await may(ask(A, "get", "secrets", { name, namespace }))).toBe(expected);
  });

  test.each(["list", "watch", "update", "patch", "delete", "create", "deletecollection"])(
    "Secrets never by %s",
    async (verb) => {
      expect(await may(ask(A, verb, "secrets", { name: "drbd-a", namespace: "ns" }))).toBe(false);
      expect(await may(ask(A, verb, "secrets", { namespace: "ns", fieldSelector: "metadata.name=drbd-a" }))).toBe(
        false,
      );
    },
  );
});

/** One object of each kind that belongs to a host, as of `host`. */
const OWNED: Readonly<Record<string, (host: string) => KubeObject>> = {
  volumegroups: (hostName) =>
    object("VolumeGroup", "vg", { spec: { hostName, physicalVolumes: [{ device: "/dev/sda" }] } }),
  volumes: (hostName) => object("Volume", "v", { spec: {}, status: { hostName } }),
  snapshots: (hostName) => object("Snapshot", "s", { spec: {}, status: { hostName } }),
  mirrorreplicas: (hostName) =>
    object("MirrorReplica", "r", { spec: { hostName, mirrorRef: { name: "m" }, backing: { device: "/dev/sdb" } } }),
  exports: (hostName) =>
    object("Export", "e", { spec: { protocol: "NBD", volumeRef: { name: "v" } }, status: { hostName } }),
  imports: (hostName) => object("Import", "i", { spec: { hostName, exportRef: { name: "e" } } }),
  virtualmachines: (hostName) =>
    object("VirtualMachine", "vm", { spec: { disks: [] }, status: { hostName, run: { epoch: 1, hostName } } }),
};

const withStatus = (one: KubeObject, status: object): KubeObject => ({
  ...one,
  status: { ...(one["status"] as object), ...status },
});
const withFinalizers = (one: KubeObject, ...finalizers: string[]): KubeObject => ({
  ...one,
  metadata: { ...one.metadata, finalizers },
});

describe.each(Object.keys(OWNED))("of %s an agent", (plural) => {
  const [mine, theirs] = [OWNED[plural]!("a"), OWNED[plural]!("b")];

  it("writes the status of its own, by any way of writing", async () => {
    for (const verb of ["update", "patch"] as const) {
      expect(
        await write(plural, verb, mine, withStatus(mine, { devicePath: "/dev/x" }), { subresource: "status" }),
      ).toBe(true);
    }
  });

  it("does not write the status of another host's", async () => {
    expect(
      await write(plural, "patch", theirs, withStatus(theirs, { devicePath: "/dev/x" }), { subresource: "status" }),
    ).toBe(false);
  });

  it("does not take another host's, nor give its own away", async () => {
    expect(await write(plural, "patch", theirs, withStatus(theirs, { hostName: "a" }), { subresource: "status" })).toBe(
      false,
    );
    expect(await write(plural, "patch", mine, withStatus(mine, { hostName: "b" }), { subresource: "status" })).toBe(
      false,
    );
  });

  it("adds and removes its cleanup finalizer, and no other", async () => {
    const held = withFinalizers(mine, "ferrite.dev/cleanup");
    expect(await write(plural, "patch", mine, held)).toBe(true);
    expect(await write(plural, "patch", held, withFinalizers(mine))).toBe(true);
    expect(await write(plural, "patch", mine, withFinalizers(mine, "other.dev/x"))).toBe(false);
    expect(await write(plural, "patch", withFinalizers(mine, "other.dev/x"), withFinalizers(mine))).toBe(false);
    expect(await write(plural, "patch", theirs, withFinalizers(theirs, "ferrite.dev/cleanup"))).toBe(false);
  });

  it("does not write the spec or labels, nor create, nor delete", async () => {
    expect(await write(plural, "update", mine, { ...mine, spec: { ...(mine["spec"] as object), size: "2Gi" } })).toBe(
      false,
    );
    expect(await write(plural, "update", mine, { ...mine, metadata: { ...mine.metadata, labels: { a: "b" } } })).toBe(
      false,
    );
    expect(await write(plural, "create", undefined, mine)).toBe(false);
    expect(await write(plural, "delete", mine, undefined)).toBe(false);
  });
});

describe("an agent", () => {
  const host = (name: string): KubeObject => ({ ...object("Host", name), metadata: { name } });

  it("makes its own Host and reports on it, and on no other", async () => {
    expect(await write("hosts", "create", undefined, host("a"))).toBe(true);
    expect(await write("hosts", "create", undefined, host("b"))).toBe(false);
    expect(
      await write("hosts", "patch", host("a"), withStatus(host("a"), { uname: "a" }), { subresource: "status" }),
    ).toBe(true);
    expect(
      await write("hosts", "patch", host("b"), withStatus(host("b"), { uname: "a" }), { subresource: "status" }),
    ).toBe(false);
    expect(await write("hosts", "update", host("a"), { ...host("a"), spec: { unschedulable: false } })).toBe(false);
    expect(await write("hosts", "delete", host("a"), undefined)).toBe(false);
  });

  test.each(["mirrors", "migrations", "allocations"])("writes no %s, whatever they say", async (plural) => {
    const one = object("X", "x", { spec: { hostName: "a" }, status: { hostName: "a" } });
    expect(await write(plural, "patch", one, withStatus(one, { x: 1 }), { subresource: "status" })).toBe(false);
    expect(await write(plural, "patch", one, withFinalizers(one, "ferrite.dev/cleanup"))).toBe(false);
    expect(await write(plural, "create", undefined, one)).toBe(false);
    expect(await write(plural, "delete", one, undefined)).toBe(false);
  });

  const pair = (hosts: string[], by: string): KubeObject => ({
    ...object("HostPair", hosts.join(".")),
    metadata: { name: hosts.join(".") },
    spec: { hosts },
    status: { epoch: 1, mirrors: [], decision: { by, nonce: "n" } },
  });

  test.each<[string, KubeObject, KubeObject, "update" | "patch", string, boolean]>([
    ["PUTs the decision of its pair", pair(["a", "b"], "b"), pair(["a", "b"], "a"), "update", "status", true],
    ["does not patch it", pair(["a", "b"], "b"), pair(["a", "b"], "a"), "patch", "status", false],
    ["does not decide for the other", pair(["a", "b"], "a"), pair(["a", "b"], "b"), "update", "status", false],
    ["does not touch pairs of others", pair(["b", "c"], "b"), pair(["b", "c"], "a"), "update", "status", false],
    [
      "does not write the pair itself",
      pair(["a", "b"], "a"),
      { ...pair(["a", "b"], "a"), spec: { hosts: ["a", "c"] } },
      "update",
      "",
      false,
    ],
  ])("%s", async (_, old, updated, verb, subresource, expected) => {
    expect(await write("hostpairs", verb, old, updated, { subresource })).toBe(expected);
  });

  it("is turned away at other Hosts before the object is even read", async () => {
    expect(await may(ask(A, "patch", "hosts/status", { apiGroup: FERRITE, name: "b" }))).toBe(false);
    expect(await may(ask(A, "patch", "hosts", { apiGroup: FERRITE, name: "b" }))).toBe(false);
  });

  it("makes and deletes no HostPair", async () => {
    expect(await write("hostpairs", "create", undefined, pair(["a", "b"], "a"))).toBe(false);
    expect(await write("hostpairs", "delete", pair(["a", "b"], "a"), undefined)).toBe(false);
  });

  const lease = (name: string, namespace = "ferrite-system") => ({
    ...object("Lease", name, {}, namespace),
    apiVersion: "coordination.k8s.io/v1",
  });
  const leases = { group: "coordination.k8s.io" };

  it("renews its own Lease and no other", async () => {
    expect(await write("leases", "create", undefined, lease("host-a"), leases)).toBe(true);
    expect(await write("leases", "create", undefined, lease("host-b"), leases)).toBe(false);
    expect(await write("leases", "create", undefined, lease("ferrite-controllers"), leases)).toBe(false);
    expect(await write("leases", "create", undefined, lease("host-a", "other"), leases)).toBe(false);
    expect(await write("leases", "update", lease("host-a"), lease("host-a"), leases)).toBe(true);
    expect(await write("leases", "update", lease("host-b"), lease("host-b"), leases)).toBe(false);
    expect(await write("leases", "delete", lease("host-a"), undefined, leases)).toBe(false);
    expect(
      await may(
        ask(A, "get", "leases", { apiGroup: "coordination.k8s.io", namespace: "ferrite-system", name: "host-a" }),
      ),
    ).toBe(true);
    expect(
      await may(
        ask(A, "get", "leases", { apiGroup: "coordination.k8s.io", namespace: "ferrite-system", name: "host-b" }),
      ),
    ).toBe(false);
    expect(await may(ask(A, "list", "leases", { apiGroup: "coordination.k8s.io", namespace: "ferrite-system" }))).toBe(
      false,
    );
  });

  test.each([
    ["", "create", true],
    ["", "patch", true],
    ["events.k8s.io", "create", true],
    ["", "list", false],
    ["", "delete", false],
  ])("Events of group %o by %s: %s", async (apiGroup, verb, expected) => {
    expect(await may(ask(A, verb, "events", { apiGroup, namespace: "ns" }))).toBe(expected);
  });

  test.each([
    ["create", "", true],
    ["get", "csr-1", true],
    ["list", "", false],
    ["update", "csr-1", false],
    ["delete", "csr-1", false],
  ])("certificate requests by %s: %s", async (verb, name, expected) => {
    expect(await may(ask(A, verb, "certificatesigningrequests", { apiGroup: "certificates.k8s.io", name }))).toBe(
      expected,
    );
    expect(
      await may(ask(A, verb, "certificatesigningrequests/approval", { apiGroup: "certificates.k8s.io", name })),
    ).toBe(false);
  });
});

describe("a virtual machine on its way", () => {
  const moving = object("VirtualMachine", "vm", {
    spec: {},
    status: { hostName: "a", run: { epoch: 4, hostName: "b" } },
  });

  it("is taken by the host that it is bound to, but never from the host that has it", async () => {
    const taken = withStatus(moving, { run: { epoch: 5, hostName: "a" } });
    const free = withStatus(moving, { run: { epoch: 4 } });
    expect(await write("virtualmachines", "patch", free, taken, { subresource: "status" })).toBe(true);
    expect(await write("virtualmachines", "patch", moving, taken, { subresource: "status" })).toBe(false);
  });

  it("is released by the host that runs it", async () => {
    const B = user("ferrite:host:b", "ferrite:hosts");
    const released = withStatus(moving, { run: { epoch: 5 } });
    expect(await write("virtualmachines", "patch", moving, released, { subresource: "status", who: B })).toBe(true);
    const C = user("ferrite:host:c", "ferrite:hosts");
    expect(await write("virtualmachines", "patch", moving, released, { subresource: "status", who: C })).toBe(false);
  });
});

describe("who only looks like a host", () => {
  test.each([
    ["ferrite:host:a"],
    ["alice", "ferrite:hosts"],
    ["ferrite:host:", "ferrite:hosts"],
    ["ferrite:host:A/../b", "ferrite:hosts"],
  ])("%s %s gets nothing", async (name, ...groups) => {
    const impostor = user(name, ...groups);
    expect(await may(ask(impostor, "list", "volumes", { apiGroup: FERRITE }))).toBe(false);
    expect(await may(ask(impostor, "get", "secrets", { namespace: "ns", name: "drbd-a" }))).toBe(false);
  });
});
