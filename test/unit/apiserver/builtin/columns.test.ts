import { expect, test } from "vitest";
import { builtinResources } from "../../../../apiserver/builtin/builtin-resources.ts";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import { compileTable } from "../../../../apiserver/table/table.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const resources = builtinResources(compileSchema);
const NOW = new Date("2026-01-01T00:10:00Z");
const metadata = { name: "x", namespace: "ns", creationTimestamp: "2026-01-01T00:00:00Z" };

function row(kind: string, fields: object): readonly unknown[] {
  const resource = resources.find((each) => each.kind === kind)!;
  const object = { apiVersion: "v1", kind, metadata, ...fields } as KubeObject;
  const table = compileTable(resource.printerColumns).convert([object], { now: NOW, includeObject: "None" });
  expect(table.rows[0]!.cells).toHaveLength(table.columnDefinitions!.length);
  return table.rows[0]!.cells;
}

test.each<[string, object, unknown[]]>([
  ["ConfigMap", { data: { a: "1" }, binaryData: { b: "" } }, ["x", 2, "10m"]],
  ["ConfigMap", {}, ["x", 0, "10m"]],
  ["Secret", { type: "Opaque", data: { a: "" } }, ["x", "Opaque", 1, "10m"]],
  ["ServiceAccount", {}, ["x", 0, "10m"]],
  ["Namespace", { status: { phase: "Active" } }, ["x", "Active", "10m"]],
  ["Lease", { spec: { holderIdentity: "a" } }, ["x", "a", "10m"]],
  [
    "APIService",
    { status: { conditions: [{ type: "Available", status: "True", reason: "Local" }] } },
    ["x", "Local", "True", "10m"],
  ],
  ["APIService", {}, ["x", "Local", "Unknown", "10m"]],
  [
    "Service",
    { spec: { type: "ClusterIP", clusterIP: "None", ports: [{ port: 443, protocol: "TCP" }] } },
    ["x", "ClusterIP", "None", "<none>", "443/TCP", "10m", "<none>"],
  ],
  [
    "Endpoints",
    { subsets: [{ addresses: [{ ip: "192.0.2.1" }, { ip: "2001:db8::1" }], ports: [{ port: 6443 }] }] },
    ["x", "192.0.2.1:6443,[2001:db8::1]:6443", "10m"],
  ],
  ["Endpoints", {}, ["x", "<none>", "10m"]],
  [
    "EndpointSlice",
    { addressType: "IPv4", ports: [{ port: 6443 }], endpoints: [{ addresses: ["192.0.2.1"] }] },
    ["x", "IPv4", "6443", "192.0.2.1", "10m"],
  ],
  ["Role", {}, ["x", "2026-01-01T00:00:00Z"]],
  [
    "RoleBinding",
    {
      roleRef: { kind: "Role", name: "r" },
      subjects: [
        { kind: "User", name: "u" },
        { kind: "ServiceAccount", name: "s", namespace: "n" },
      ],
    },
    ["x", "Role/r", "10m", "u", "", "n/s"],
  ],
  [
    "CertificateSigningRequest",
    { spec: { signerName: "a.b/c", username: "u" } },
    ["x", "10m", "a.b/c", "u", "<none>", "Pending"],
  ],
  [
    "CertificateSigningRequest",
    {
      spec: { signerName: "a.b/c", username: "u", expirationSeconds: 600 },
      status: { conditions: [{ type: "Approved" }], certificate: "eA==" },
    },
    ["x", "10m", "a.b/c", "u", "600s", "Approved,Issued"],
  ],
  [
    "Event",
    {
      involvedObject: { kind: "Volume", name: "v" },
      lastTimestamp: "2026-01-01T00:09:00Z",
      type: "Normal",
      reason: "Made",
      message: "m",
    },
    ["60s", "Normal", "Made", "volume/v", "m", "x"],
  ],
])("%s %o is shown as %o", (kind, fields, cells) => {
  expect(row(kind, fields)).toEqual(cells);
});
