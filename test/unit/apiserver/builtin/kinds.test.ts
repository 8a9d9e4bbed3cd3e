import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { builtinResources } from "../../../../apiserver/builtin/builtin-resources.ts";
import { eventConversion } from "../../../../apiserver/builtin/kinds/event-conversion.ts";
import type { Resource } from "../../../../apiserver/registry/types.ts";
import type { CompiledSchema, SchemaNode } from "../../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const uncompiled = (root: SchemaNode): CompiledSchema => ({
  root,
  prune: () => [],
  applyDefaults: () => undefined,
  validate: () => [],
});

const resources = builtinResources(uncompiled);

function find(plural: string, group = ""): Resource {
  const found = resources.find((resource) => resource.plural === plural && resource.group === group);
  if (found === undefined) throw new Error(`no builtin ${plural}.${group}`);
  return found;
}

const object = (kind: string, fields: Record<string, unknown>): KubeObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name: "one", namespace: "default" },
  ...fields,
});

const fieldsOf = (resource: Resource, now: KubeObject, old?: KubeObject): string[] =>
  (resource.strategy.validate?.(now, old) ?? []).map((error) => error.field);

const alice = { name: "alice", uid: "", groups: ["system:authenticated"], extra: {} };
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("builtinResources", () => {
  it("gives every group and plural once", () => {
    const names = resources.map((resource) => `${resource.plural}.${resource.group}/${resource.version}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it("describes every field, for kubectl explain", () => {
    const bare: string[] = [];
    const visit = (node: SchemaNode, path: string): void => {
      // Of metadata the server tells for all kinds.
      if (!node.description && !path.endsWith(".metadata")) bare.push(path);
      for (const [name, child] of Object.entries(node.properties ?? {})) visit(child, `${path}.${name}`);
      if (node.items) visit(node.items, `${path}[]`);
    };
    for (const resource of resources) visit(resource.schema, resource.kind);
    expect(bare).toEqual([]);
  });

  it("lists what kubectl get all asks for, and lets nobody create it", () => {
    const all = resources.filter((resource) => resource.categories.includes("all"));
    expect(all.map((resource) => resource.plural).toSorted()).toEqual([
      "cronjobs",
      "daemonsets",
      "deployments",
      "horizontalpodautoscalers",
      "jobs",
      "pods",
      "replicasets",
      "replicationcontrollers",
      "services",
      "statefulsets",
    ]);
    for (const resource of all) {
      expect(resource.verbs).toEqual(["get", "list", "watch"]);
      expect(resource.alwaysEmpty ?? resource.readOnly).toContain(resource.kind);
    }
  });

  it("stores both Event kinds in one place and shape", () => {
    const [core, events] = [find("events"), find("events", "events.k8s.io")];
    expect(events.storagePrefix).toBe(core.storagePrefix);
    expect(events.storageApiVersion).toBe("v1");
    expect(core.strategy.ttlSeconds).toBe(3600);
    expect(events.strategy.ttlSeconds).toBe(3600);
  });
});

describe("secrets", () => {
  const secrets = find("secrets");

  it("merges stringData over data and drops it", () => {
    const secret = object("Secret", {
      type: "Opaque",
      data: { a: base64("old"), b: base64("kept") },
      stringData: { a: "new" },
    });
    secrets.strategy.prepareForCreate?.(secret, alice);
    expect(secret["data"]).toEqual({ a: base64("new"), b: base64("kept") });
    expect(secret).not.toHaveProperty("stringData");
  });

  it("keeps the type when an update leaves it out, and refuses another", () => {
    const old = object("Secret", { type: "kubernetes.io/tls", data: { "tls.crt": "", "tls.key": "" } });
    const now = object("Secret", { data: old["data"] });
    secrets.strategy.prepareForUpdate?.(now, old, alice);
    expect(fieldsOf(secrets, now, old)).toEqual([]);
    expect(fieldsOf(secrets, { ...now, type: "Opaque" }, old)).toEqual(["type"]);
  });

  test.each([
    ["kubernetes.io/tls", { "tls.crt": "" }, ["data[tls.key]"]],
    ["kubernetes.io/ssh-auth", {}, ["data[ssh-privatekey]"]],
    ["kubernetes.io/basic-auth", {}, ["data[username]", "data[password]"]],
    ["kubernetes.io/basic-auth", { password: "" }, []],
    ["kubernetes.io/dockerconfigjson", { ".dockerconfigjson": base64("{") }, ["data[.dockerconfigjson]"]],
    ["kubernetes.io/dockerconfigjson", { ".dockerconfigjson": base64("{}") }, []],
    ["kubernetes.io/service-account-token", {}, ["metadata.annotations[kubernetes.io/service-account.name]"]],
    ["example.com/own", {}, []],
  ])("type %s with %o fails at %o", (type, data, fields) => {
    expect(fieldsOf(secrets, object("Secret", { type, data }))).toEqual(fields);
  });

  it("never shows the value in an error", () => {
    const secret = object("Secret", {
      type: "kubernetes.io/dockercfg",
      data: { ".dockercfg": base64("hunter2 is not JSON") },
    });
    expect(JSON.stringify(secrets.strategy.validate?.(secret, undefined))).not.toMatch(/hunter2|aHVudGVyM/);
  });
});

describe("configmaps", () => {
  const maps = find("configmaps");

  test.each([["a/b"], [""], ["."], [".."], ["..a"], ["a b"], ["x".repeat(254)]])("refuses the key %o", (key) => {
    expect(fieldsOf(maps, object("ConfigMap", { data: { [key]: "" } }))).toEqual([`data[${key}]`]);
  });

  it("counts bytes, not characters, up to 1 MiB", () => {
    const euros = "€".repeat(349_525);
    expect(fieldsOf(maps, object("ConfigMap", { data: { a: euros } }))).toEqual([]);
    expect(fieldsOf(maps, object("ConfigMap", { data: { a: `${euros}xx` } }))).toEqual([""]);
    expect(fieldsOf(maps, object("ConfigMap", { data: { a: euros }, binaryData: { b: base64("xx") } }))).toEqual([""]);
  });

  it("refuses a key in both maps", () => {
    expect(fieldsOf(maps, object("ConfigMap", { data: { a: "" }, binaryData: { a: "" } }))).toEqual(["binaryData[a]"]);
  });

  it("once immutable stays as it is, but for its metadata", () => {
    const old = object("ConfigMap", { data: { a: "1" }, immutable: true });
    expect(fieldsOf(maps, { ...old, metadata: { ...old.metadata, labels: { a: "b" } } }, old)).toEqual([]);
    expect(fieldsOf(maps, { ...old, data: { a: "2" } }, old)).toEqual(["data"]);
    expect(fieldsOf(maps, { ...old, data: { a: "1", b: "" } }, old)).toEqual(["data"]);
    expect(fieldsOf(maps, object("ConfigMap", { data: { a: "1" } }), old)).toEqual(["immutable"]);
    expect(fieldsOf(maps, { ...old, data: { a: "2" } }, { ...old, immutable: false })).toEqual([]);
  });
});

describe("namespaces", () => {
  const namespaces = find("namespaces");

  it("start Active, with the finalizer and the name label, whatever the client says", () => {
    const ns = object("Namespace", { spec: { finalizers: [] }, status: { phase: "Terminating" } });
    namespaces.strategy.prepareForCreate?.(ns, alice);
    expect(ns).toMatchObject({
      metadata: { labels: { "kubernetes.io/metadata.name": "one" } },
      spec: { finalizers: ["kubernetes"] },
      status: { phase: "Active" },
    });
  });

  it("lose the finalizer through /finalize only, and the label never", () => {
    const old = object("Namespace", { spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } });
    const now = object("Namespace", { spec: { finalizers: [] } });
    namespaces.strategy.prepareForUpdate?.(now, old, alice);
    expect(now).toMatchObject({ spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } });
    expect(now.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "one" });

    const finalized = object("Namespace", { spec: { finalizers: [] }, status: { phase: "Terminating" } });
    namespaces.custom["finalize"]?.prepareForUpdate(finalized, old, alice);
    expect(finalized).toMatchObject({ spec: { finalizers: [] }, status: { phase: "Active" } });
  });

  it("are Terminating exactly while they are being deleted", () => {
    const active = object("Namespace", { status: { phase: "Active" } });
    const terminating = object("Namespace", { status: { phase: "Terminating" } });
    const deleted = { name: "one", deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(fieldsOf(namespaces, active)).toEqual([]);
    expect(fieldsOf(namespaces, terminating)).toEqual(["status.Phase"]);
    expect(fieldsOf(namespaces, { ...terminating, metadata: deleted })).toEqual([]);
    expect(fieldsOf(namespaces, { ...active, metadata: deleted })).toEqual(["status.Phase"]);
  });
});

describe("events", () => {
  it("go from one shape to the other and back without loss", () => {
    const names = fc.constantFrom(
      "regarding",
      "note",
      "reportingController",
      "deprecatedSource",
      "deprecatedFirstTimestamp",
      "deprecatedLastTimestamp",
      "deprecatedCount",
      "eventTime",
      "series",
      "type",
      "reason",
      "action",
      "related",
    );
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue()), (fields) => {
        const event = { apiVersion: "events.k8s.io/v1", kind: "Event", metadata: { name: "e" }, ...fields };
        const stored = eventConversion.toStorage(event);
        expect(stored.apiVersion).toBe("v1");
        expect(stored).not.toHaveProperty("note");
        expect(eventConversion.fromStorage(stored)).toEqual(event);
      }),
    );
  });

  it("live with the object they are about", () => {
    const events = find("events");
    expect(fieldsOf(events, object("Event", { involvedObject: { namespace: "default" } }))).toEqual([]);
    expect(fieldsOf(events, object("Event", { involvedObject: { kind: "Host" } }))).toEqual([]);
    expect(fieldsOf(events, object("Event", { involvedObject: { namespace: "other" } }))).toEqual([
      "involvedObject.namespace",
    ]);
  });

  it("of the new version must say who reports what", () => {
    const events = find("events", "events.k8s.io");
    const event = object("Event", { regarding: { namespace: "default" } });
    expect(fieldsOf(events, event)).toEqual([
      "eventTime",
      "reportingController",
      "reportingInstance",
      "action",
      "reason",
      "type",
    ]);
    expect(fieldsOf(events, event, event)).toEqual([]);
  });
});

describe("rbac", () => {
  const roles = find("roles", "rbac.authorization.k8s.io");
  const clusterRoles = find("clusterroles", "rbac.authorization.k8s.io");
  const bindings = find("rolebindings", "rbac.authorization.k8s.io");
  const ref = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" };

  it("takes names with colons", () => {
    expect(roles.strategy.validateName?.("system:node:a")).toBeUndefined();
    expect(roles.strategy.validateName?.("a/b")).toBe("may not contain '/'");
  });

  test.each([
    [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }, [], []],
    [{ verbs: [], apiGroups: [""], resources: ["pods"] }, ["rules[0].verbs"], ["rules[0].verbs"]],
    [{ verbs: ["get"], resources: ["pods"] }, ["rules[0].apiGroups"], ["rules[0].apiGroups"]],
    [{ verbs: ["get"], nonResourceURLs: ["/x"] }, ["rules[0].nonResourceURLs"], []],
    [
      { verbs: ["get"], nonResourceURLs: ["/x"], apiGroups: [""] },
      ["rules[0].nonResourceURLs", "rules[0].nonResourceURLs"],
      ["rules[0].nonResourceURLs"],
    ],
  ])("rule %o", (rule, inRole, inClusterRole) => {
    expect(fieldsOf(roles, object("Role", { rules: [rule] }))).toEqual(inRole);
    expect(fieldsOf(clusterRoles, object("ClusterRole", { rules: [rule] }))).toEqual(inClusterRole);
  });

  it("fills in the group of subjects and refuses another role", () => {
    const binding = object("RoleBinding", {
      roleRef: ref,
      subjects: [
        { kind: "User", name: "a" },
        { kind: "ServiceAccount", name: "b", namespace: "x" },
      ],
    });
    bindings.strategy.prepareForCreate?.(binding, alice);
    expect(fieldsOf(bindings, binding)).toEqual([]);
    expect(fieldsOf(bindings, { ...binding, roleRef: { ...ref, name: "view" } }, binding)).toEqual(["roleRef"]);
    expect(fieldsOf(bindings, { ...binding, subjects: [{ kind: "Robot", name: "r" }] })).toEqual(["subjects[0].kind"]);
  });
});

describe("certificatesigningrequests", () => {
  const csrs = find("certificatesigningrequests", "certificates.k8s.io");
  const request = base64("-----BEGIN CERTIFICATE REQUEST-----\n");
  const csr = (status: object = {}) =>
    object("CertificateSigningRequest", {
      spec: { request, signerName: "ferrite.dev/host", usages: ["client auth"] },
      status,
    });
  const condition = (type: string) => ({ type, status: "True" });

  it("are made in the name of who asks, undecided", () => {
    const forged = csr({ conditions: [condition("Approved")] });
    (forged["spec"] as Record<string, unknown>)["username"] = "admin";
    (forged["spec"] as Record<string, unknown>)["groups"] = ["system:masters"];
    csrs.strategy.prepareForCreate?.(forged, alice);
    expect(forged).not.toHaveProperty("status");
    expect(forged["spec"]).toMatchObject({ username: "alice", groups: ["system:authenticated"] });
  });

  it("are decided through /approval only, for good", () => {
    const old = csr();
    const approved = csr({ conditions: [condition("Approved"), condition("Failed")], certificate: "forged" });
    csrs.custom["approval"]?.prepareForUpdate(approved, old, alice);
    expect(approved["status"]).toEqual({ conditions: [condition("Approved")] });
    const byStatus = csr({ conditions: [condition("Approved")] });
    csrs.strategy.prepareForStatusUpdate?.(byStatus, old, alice);
    expect(byStatus["status"]).toEqual({});
    const failed = csr({ conditions: [condition("Failed")] });
    csrs.strategy.prepareForStatusUpdate?.(failed, approved, alice);
    expect(failed["status"]).toEqual({ conditions: [condition("Approved"), condition("Failed")] });
  });

  it("cannot be undecided, decided both ways, or lose a certificate", () => {
    const approved = csr({ conditions: [condition("Approved")], certificate: "eA==" });
    expect(fieldsOf(csrs, csr({ certificate: "eA==" }), approved)).toEqual(["status.conditions"]);
    expect(fieldsOf(csrs, csr({ conditions: [condition("Approved"), condition("Denied")] }))).toEqual([
      "status.conditions",
    ]);
    expect(fieldsOf(csrs, csr({ conditions: [condition("Approved")] }), approved)).toEqual(["status.certificate"]);
  });

  test.each([["host"], ["ferrite.dev"], ["/host"], [""]])("refuse the signer %o", (signerName) => {
    expect(fieldsOf(csrs, object("CSR", { spec: { request, signerName, usages: ["client auth"] } }))).toEqual([
      "spec.signerName",
    ]);
  });
});
