import { describe, expect, it, test } from "vitest";
import { builtinResources } from "../../../../apiserver/builtin/builtin-resources.ts";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import { validateStructural } from "../../../../apiserver/schema/structural.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const resources = builtinResources(compileSchema);

test.each(resources.map((resource) => [`${resource.kind}.${resource.group}`, resource] as const))(
  "%s has a structural schema",
  (_, resource) => {
    expect(validateStructural(resource.schema, "schema")).toEqual([]);
  },
);

const find = (kind: string, group = "") => resources.find((each) => each.kind === kind && each.group === group)!;
const make = (kind: string, fields: object): KubeObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name: "x" },
  ...fields,
});

describe("what clients really send passes, typed wrong it does not", () => {
  test.each<[string, string, object, boolean]>([
    [
      "Event",
      "",
      { involvedObject: {}, eventTime: null, firstTimestamp: "2026-01-01T00:00:00Z", source: { component: "x" } },
      true,
    ],
    ["Event", "", { involvedObject: {}, firstTimestamp: "yesterday" }, false],
    ["Event", "events.k8s.io", { eventTime: "2026-01-01T00:00:00.123456Z", regarding: {} }, true],
    [
      "Lease",
      "coordination.k8s.io",
      { spec: { renewTime: "2026-01-01T00:00:00.123456Z", leaseDurationSeconds: 15 } },
      true,
    ],
    ["Lease", "coordination.k8s.io", { spec: { leaseDurationSeconds: "15" } }, false],
    ["Secret", "", { data: { a: "aGk=" }, type: "Opaque" }, true],
    ["Secret", "", { data: { a: "not base64!" } }, false],
    ["ConfigMap", "", { data: { a: 1 } }, false],
    ["ServiceAccount", "", { secrets: [{ name: "a" }], imagePullSecrets: [{ name: "b" }] }, true],
    ["RoleBinding", "rbac.authorization.k8s.io", { subjects: [{ kind: "User", name: "a" }] }, false],
    [
      "RoleBinding",
      "rbac.authorization.k8s.io",
      { subjects: null, roleRef: { apiGroup: "x", kind: "Role", name: "a" } },
      true,
    ],
    [
      "ClusterRole",
      "rbac.authorization.k8s.io",
      {
        rules: [{ verbs: ["get"], nonResourceURLs: ["/x"] }],
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] },
      },
      true,
    ],
    ["ClusterRole", "rbac.authorization.k8s.io", { rules: null }, true],
    [
      "CertificateSigningRequest",
      "certificates.k8s.io",
      { spec: { request: "aGk=", signerName: "a.b/c", usages: ["client auth"] } },
      true,
    ],
    ["CertificateSigningRequest", "certificates.k8s.io", {}, false],
    ["Namespace", "", { spec: { finalizers: ["kubernetes"] }, status: {} }, true],
  ])("%s.%s %j: %s", (kind, group, fields, good) => {
    const { compiled } = find(kind, group);
    const object = make(kind, fields);
    expect(compiled.prune(object)).toEqual([]);
    compiled.applyDefaults(object);
    expect(compiled.validate(object).map(({ field, message }) => `${field}: ${message}`).length === 0).toBe(good);
  });

  it("keeps every field of a definition's schema", () => {
    const openAPIV3Schema = {
      type: "object",
      properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
    };
    const crd = make("CustomResourceDefinition", {
      spec: {
        group: "g",
        names: { plural: "p", kind: "K" },
        scope: "Cluster",
        versions: [
          { name: "v1", served: true, storage: true, schema: { openAPIV3Schema }, subresources: { status: {} } },
        ],
      },
    });
    const before = structuredClone(crd);
    expect(find("CustomResourceDefinition", "apiextensions.k8s.io").compiled.prune(crd)).toEqual([]);
    expect(crd).toEqual(before);
  });
});
