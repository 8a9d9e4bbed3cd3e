import { describe, expect, it } from "vitest";
import { admitWrite } from "../../../../apiserver/access/admission.ts";
import { EscalationCheck } from "../../../../apiserver/access/escalation.ts";
import { rbacAuthorizer } from "../../../../apiserver/access/rbac/authorizer.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { bind, index, isUser, role, user } from "./policy-builders.ts";

const policy = index(
  role("ClusterRole", "approver", [
    {
      verbs: ["approve"],
      apiGroups: ["certificates.k8s.io"],
      resources: ["signers"],
      resourceNames: ["ferrite.dev/*"],
    },
  ]),
  bind("ClusterRole", "approver", isUser("approver")),
);
const authorizer = rbacAuthorizer(policy);
const deps = {
  escalation: new EscalationCheck(policy, authorizer),
  authorizer,
  read: () => Promise.reject(new Error("not asked for")),
};

describe("certificates and namespaces", () => {
  const csr = (status: object = {}): KubeObject => ({
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name: "c" },
    spec: { signerName: "ferrite.dev/host" },
    status,
  });
  const approve = (name: string, ...groups: string[]) =>
    admitWrite(deps, {
      resource: {
        group: "certificates.k8s.io",
        plural: "certificatesigningrequests",
        kind: "CertificateSigningRequest",
      },
      user: user(name, ...groups),
      operation: "update",
      verb: "update",
      subresource: "approval",
      old: csr(),
      updated: csr({ conditions: [{ type: "Approved", status: "True" }] }),
    });

  it("are approved by who holds approve on the signer", async () => {
    await expect(approve("approver")).resolves.toBeUndefined();
    await expect(approve("root", "system:masters")).resolves.toBeUndefined();
    await expect(approve("alice")).rejects.toThrow(
      'user not permitted to approve requests with signerName "ferrite.dev/host"',
    );
  });

  it("are not signed by who may only approve", async () => {
    await expect(
      admitWrite(deps, {
        resource: {
          group: "certificates.k8s.io",
          plural: "certificatesigningrequests",
          kind: "CertificateSigningRequest",
        },
        user: user("approver"),
        operation: "update",
        verb: "update",
        subresource: "status",
        old: csr(),
        updated: csr({ certificate: "eA==" }),
      }),
    ).rejects.toMatchObject({ reason: "Forbidden" });
  });

  it("keeps the namespaces that the server itself needs", async () => {
    const remove = (name: string) =>
      admitWrite(deps, {
        resource: { group: "", plural: "namespaces", kind: "Namespace" },
        user: user("root", "system:masters"),
        operation: "delete",
        verb: "delete",
        subresource: "",
        old: { apiVersion: "v1", kind: "Namespace", metadata: { name } },
        updated: undefined,
      });
    await expect(remove("default")).rejects.toMatchObject({ reason: "Forbidden" });
    await expect(remove("ferrite-system")).rejects.toMatchObject({ reason: "Forbidden" });
    await expect(remove("mine")).resolves.toBeUndefined();
  });
});
