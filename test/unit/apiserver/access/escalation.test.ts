import { describe, expect, it, test } from "vitest";
import { EscalationCheck } from "../../../../apiserver/access/escalation.ts";
import { forbidden } from "../../../../apiserver/access/forbidden.ts";
import { rbacAuthorizer, rulesFor } from "../../../../apiserver/access/rbac/authorizer.ts";
import { PolicyIndex } from "../../../../apiserver/access/rbac/policy-index.ts";
import { uncovered } from "../../../../apiserver/access/rbac/rule-match.ts";
import type { User } from "../../../../apiserver/access/types.ts";
import type { BindingObject, PolicyRule, RoleObject } from "../../../../apiserver/builtin/kinds/rbac.ts";
import { API, ask, bind, index, isUser, role, user } from "./policy-builders.ts";

describe("uncovered", () => {
  const r = (verbs: string[], resources: string[], resourceNames?: string[]): PolicyRule => ({
    verbs,
    apiGroups: [""],
    resources,
    ...(resourceNames ? { resourceNames } : {}),
  });
  test.each<[string, PolicyRule[], PolicyRule[], number]>([
    ["the same", [r(["get"], ["a"])], [r(["get"], ["a"])], 0],
    ["by two rules together", [r(["get"], ["a", "b"]), r(["list"], ["a", "b"])], [r(["get", "list"], ["a", "b"])], 0],
    ["by a wildcard", [r(["*"], ["*"])], [r(["get"], ["a/b"])], 0],
    ["not a wildcard by single verbs", [r(["get", "list"], ["a"])], [r(["*"], ["a"])], 1],
    ["not all names by one", [r(["get"], ["a"], ["x"])], [r(["get"], ["a"])], 1],
    ["one name by all", [r(["get"], ["a"])], [r(["get"], ["a"], ["x"])], 0],
    ["not a subresource by its parent", [r(["get"], ["a"])], [r(["get"], ["a/b"])], 1],
    ["not */status by *", [r(["get"], ["a/status"])], [r(["get"], ["*/status"])], 1],
    [
      "urls by prefix",
      [{ verbs: ["get"], nonResourceURLs: ["/a/*"] }],
      [{ verbs: ["get"], nonResourceURLs: ["/a/b", "/a/*"] }],
      0,
    ],
    [
      "not a wider prefix",
      [{ verbs: ["get"], nonResourceURLs: ["/a/*"] }],
      [{ verbs: ["get"], nonResourceURLs: ["/*"] }],
      1,
    ],
  ])("%s", (_, owned, wanted, missing) => {
    expect(uncovered(owned, wanted)).toHaveLength(missing);
  });
});

describe("EscalationCheck", () => {
  const get = { verbs: ["get"], apiGroups: [""], resources: ["secrets"] };
  const all = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
  const manage = {
    verbs: ["create", "update"],
    apiGroups: [API],
    resources: ["roles", "clusterroles", "rolebindings"],
  };
  const policy = index(
    role("ClusterRole", "some", [get, manage]),
    role("ClusterRole", "big", [all]),
    role("ClusterRole", "binder", [
      { verbs: ["bind"], apiGroups: [API], resources: ["clusterroles"], resourceNames: ["big"] },
    ]),
    role("ClusterRole", "escalator", [{ verbs: ["escalate"], apiGroups: [API], resources: ["roles"] }]),
    bind("ClusterRole", "some", isUser("alice"), "a"),
    bind("ClusterRole", "binder", isUser("bob")),
    bind("ClusterRole", "escalator", isUser("eric"), "a"),
  );
  const check = new EscalationCheck(policy, rbacAuthorizer(policy));
  const write = (who: User, object: RoleObject | BindingObject, old?: RoleObject | BindingObject) =>
    check.check({ user: who, object, old });

  it("lets nobody write a role with more than he has", async () => {
    await expect(write(user("alice"), role("Role", "r", [get], "a"))).resolves.toBeUndefined();
    await expect(write(user("alice"), role("Role", "r", [get], "b"))).rejects.toMatchObject({ reason: "Forbidden" });
    await expect(write(user("alice"), role("ClusterRole", "r", [get]))).rejects.toMatchObject({ reason: "Forbidden" });
    await expect(write(user("alice"), role("Role", "r", [{ ...get, verbs: ["get", "list"] }], "a"))).rejects.toThrow(
      /not currently held:\n.*"list"/,
    );
  });

  it("tells what is missing in Kubernetes' form: a line for each resource with all its verbs", async () => {
    const wanted = [
      { verbs: ["get", "list", "watch"], apiGroups: [""], resources: ["secrets", "pods"] },
      { verbs: ["delete"], apiGroups: [""], resources: ["pods"] },
      { verbs: ["get", "update"], apiGroups: ["apps"], resources: ["deployments"], resourceNames: ["x"] },
    ];
    await expect(write(user("alice", "a", "b"), role("Role", "r", wanted, "a"))).rejects.toThrow(
      [
        `roles.${API} "r" is forbidden: user "alice" (groups=["a" "b" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:`,
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list" "watch" "delete"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "watch"]}',
        '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["x"], Verbs:["get"]}',
        '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["x"], Verbs:["update"]}',
      ].join("\n"),
    );
  });

  it("lets anybody who may write it keep the rules of a role", async () => {
    const old = role("Role", "r", [all], "a");
    await expect(
      write(user("alice"), { ...old, metadata: { ...old.metadata, labels: { a: "b" } } }, old),
    ).resolves.toBeUndefined();
  });

  it("takes an aggregation for everything", async () => {
    const aggregated: RoleObject = { ...role("ClusterRole", "r", []), aggregationRule: { clusterRoleSelectors: [] } };
    await expect(write(user("alice"), aggregated)).rejects.toMatchObject({ reason: "Forbidden" });
    await expect(write(user("root", "system:masters"), aggregated)).resolves.toBeUndefined();
  });

  it("lets nobody bind a role with more than he has, but with the verb bind", async () => {
    await expect(write(user("alice"), bind("ClusterRole", "some", isUser("x"), "a"))).resolves.toBeUndefined();
    await expect(write(user("alice"), bind("ClusterRole", "some", isUser("x")))).rejects.toMatchObject({
      reason: "Forbidden",
    });
    await expect(write(user("alice"), bind("ClusterRole", "big", isUser("x"), "a"))).rejects.toMatchObject({
      reason: "Forbidden",
    });
    await expect(write(user("alice"), bind("ClusterRole", "none", isUser("x"), "a"))).rejects.toMatchObject({
      reason: "NotFound",
    });
    await expect(write(user("bob"), bind("ClusterRole", "big", isUser("x"), "a"))).resolves.toBeUndefined();
    await expect(write(user("bob"), bind("ClusterRole", "some", isUser("x"), "a"))).rejects.toMatchObject({
      reason: "Forbidden",
    });
    const old = bind("ClusterRole", "some", isUser("x"), "a");
    await expect(
      write(user("alice"), { ...old, roleRef: { ...old.roleRef, name: "big" }, subjects: [isUser("y")] }, old),
    ).rejects.toMatchObject({ reason: "Forbidden" });
  });

  it("honours the verb escalate", async () => {
    await expect(write(user("eric"), role("Role", "r", [all], "a"))).resolves.toBeUndefined();
    await expect(write(user("eric"), role("Role", "r", [all], "b"))).rejects.toMatchObject({ reason: "Forbidden" });
  });
});

describe("texts and rules", () => {
  it("words a refusal as kubectl users know it", () => {
    const error = forbidden(
      ask(user("u"), "get", "widgets", { apiGroup: "example.com", namespace: "default", name: "w1" }),
      "",
    );
    expect(error.message).toBe(
      'widgets.example.com "w1" is forbidden: User "u" cannot get resource "widgets" in API group "example.com" in the namespace "default"',
    );
    expect(error.toStatus()).toMatchObject({
      code: 403,
      reason: "Forbidden",
      details: { name: "w1", group: "example.com", kind: "widgets" },
    });
    expect(forbidden(ask(user("u"), "get", "", { resourceRequest: false, path: "/metrics" }), "").message).toBe(
      'forbidden: User "u" cannot get path "/metrics"',
    );
  });

  it("lists the rules of a master", () => {
    expect(rulesFor(new PolicyIndex(), user("root", "system:masters"), "a")).toHaveLength(2);
  });
});
