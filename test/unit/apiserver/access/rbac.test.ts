import { describe, expect, it, test } from "vitest";
import { aggregatedRules } from "../../../../apiserver/access/rbac/aggregation.ts";
import { rbacAuthorizer } from "../../../../apiserver/access/rbac/authorizer.ts";
import {
  DEFAULT_CLUSTER_ROLE_BINDINGS,
  DEFAULT_CLUSTER_ROLES,
  reconcileBinding,
  reconcileRole,
} from "../../../../apiserver/access/rbac/default-roles.ts";
import { PolicyIndex } from "../../../../apiserver/access/rbac/policy-index.ts";
import type { Attributes, User } from "../../../../apiserver/access/types.ts";
import type { PolicyRule } from "../../../../apiserver/builtin/kinds/rbac.ts";
import { API, ask, bind, index, isGroup, isUser, role, user } from "./policy-builders.ts";

const allowed = async (policy: PolicyIndex, attributes: Attributes): Promise<boolean> =>
  (await rbacAuthorizer(policy).authorize(attributes)).allowed;

describe("rules", () => {
  const alice = user("alice");
  const cases: [rule: PolicyRule, request: Attributes, allowed: boolean][] = [
    [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }, ask(alice, "get", "secrets", { name: "a" }), true],
    [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }, ask(alice, "list", "secrets"), false],
    [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }, ask(alice, "get", "configmaps"), false],
    [{ verbs: ["get"], apiGroups: ["apps"], resources: ["secrets"] }, ask(alice, "get", "secrets"), false],
    [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }, ask(alice, "delete", "pods/log", { apiGroup: "x" }), true],
    [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }, ask(alice, "get", "pods/log"), false],
    [{ verbs: ["get"], apiGroups: [""], resources: ["pods/log"] }, ask(alice, "get", "pods/log"), true],
    [{ verbs: ["get"], apiGroups: [""], resources: ["pods/log"] }, ask(alice, "get", "pods"), false],
    [{ verbs: ["get"], apiGroups: [""], resources: ["*/log"] }, ask(alice, "get", "pods/log"), true],
    [{ verbs: ["get"], apiGroups: [""], resources: ["*/log"] }, ask(alice, "get", "pods/exec"), false],
    [{ verbs: ["get"], apiGroups: [""], resources: ["pods/*"] }, ask(alice, "get", "pods/log"), false],
    [
      { verbs: ["get"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "get", "secrets", { name: "a" }),
      true,
    ],
    [
      { verbs: ["get"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "get", "secrets", { name: "b" }),
      false,
    ],
    [
      { verbs: ["create"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "create", "secrets"),
      false,
    ],
    [
      { verbs: ["list"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "list", "secrets"),
      false,
    ],
    [
      { verbs: ["list"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "list", "secrets", { fieldSelector: "metadata.name=a" }),
      true,
    ],
    [
      { verbs: ["list"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "list", "secrets", { fieldSelector: "metadata.name!=a" }),
      false,
    ],
    [
      { verbs: ["get"], apiGroups: [""], resources: ["secrets"], resourceNames: ["a"] },
      ask(alice, "get", "secrets", { name: "b", fieldSelector: "metadata.name=a" }),
      false,
    ],
    [
      { verbs: ["get"], nonResourceURLs: ["/metrics"] },
      ask(alice, "get", "", { resourceRequest: false, path: "/metrics" }),
      true,
    ],
    [
      { verbs: ["get"], nonResourceURLs: ["/metrics"] },
      ask(alice, "get", "", { resourceRequest: false, path: "/metrics/x" }),
      false,
    ],
    [
      { verbs: ["get"], nonResourceURLs: ["/metrics/*"] },
      ask(alice, "get", "", { resourceRequest: false, path: "/metrics/x" }),
      true,
    ],
    [
      { verbs: ["get"], nonResourceURLs: ["/metrics/*"] },
      ask(alice, "get", "", { resourceRequest: false, path: "/metricsx" }),
      false,
    ],
    [
      { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
      ask(alice, "get", "", { resourceRequest: false, path: "/metrics" }),
      false,
    ],
    [{ verbs: ["*"], nonResourceURLs: ["*"] }, ask(alice, "get", "secrets"), false],
  ];
  test.each(cases)("%j asked %j: %s", async (rule, request, expected) => {
    const policy = index(role("ClusterRole", "r", [rule]), bind("ClusterRole", "r", isUser("alice")));
    expect(await allowed(policy, request)).toBe(expected);
  });
});

describe("bindings", () => {
  const read = [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }];
  const secret = (who: User, namespace: string) => ask(who, "get", "secrets", { namespace, name: "s" });

  it("of a RoleBinding reach its namespace only, whether it names a Role or a ClusterRole", async () => {
    const policy = index(
      role("Role", "r", read, "a"),
      role("Role", "r", [], "b"),
      role("ClusterRole", "c", read),
      bind("Role", "r", isUser("alice"), "a"),
      bind("Role", "r", isUser("alice"), "b"),
      bind("ClusterRole", "c", isGroup("dev"), "a"),
    );
    for (const who of [user("alice"), user("bob", "dev")]) {
      expect(await allowed(policy, secret(who, "a"))).toBe(true);
      expect(await allowed(policy, secret(who, "b"))).toBe(false);
      expect(await allowed(policy, secret(who, ""))).toBe(false);
    }
  });

  it("know service accounts by namespace and name", async () => {
    const subject = { kind: "ServiceAccount", name: "bot", namespace: "a" };
    const policy = index(role("ClusterRole", "c", read), bind("ClusterRole", "c", subject));
    expect(await allowed(policy, secret(user("system:serviceaccount:a:bot"), "z"))).toBe(true);
    expect(await allowed(policy, secret(user("system:serviceaccount:b:bot"), "z"))).toBe(false);
  });

  it("are forgotten when deleted, changed or gone from a list", async () => {
    const binding = bind("ClusterRole", "c", isUser("alice"));
    const policy = index(role("ClusterRole", "c", read), binding);
    expect(await allowed(policy, secret(user("alice"), "a"))).toBe(true);
    policy.put("ClusterRoleBinding", { ...binding, subjects: [isUser("bob")] });
    expect(await allowed(policy, secret(user("alice"), "a"))).toBe(false);
    expect(await allowed(policy, secret(user("bob"), "a"))).toBe(true);
    policy.replace("ClusterRoleBinding", []);
    expect(await allowed(policy, secret(user("bob"), "a"))).toBe(false);
    policy.put("ClusterRoleBinding", binding);
    policy.remove("ClusterRoleBinding", binding);
    expect(await allowed(policy, secret(user("alice"), "a"))).toBe(false);
  });

  it("to a role that is gone give nothing", async () => {
    expect(await allowed(index(bind("ClusterRole", "c", isUser("alice"))), secret(user("alice"), "a"))).toBe(false);
  });
});

describe("before the policy has been read", () => {
  it("answers 503, but masters and health checks pass", async () => {
    const authorizer = rbacAuthorizer(new PolicyIndex());
    await expect(authorizer.authorize(ask(user("alice"), "get", "secrets"))).rejects.toMatchObject({
      reason: "ServiceUnavailable",
    });
    expect(await authorizer.authorize(ask(user("root", "system:masters"), "get", "secrets"))).toMatchObject({
      allowed: true,
    });
    expect(
      await authorizer.authorize(ask(user("x"), "get", "", { resourceRequest: false, path: "/livez" })),
    ).toMatchObject({ allowed: true });
  });
});

describe("default roles", () => {
  const roles = DEFAULT_CLUSTER_ROLES.map((one) => ({ ...one }));
  // To the fixed point, as the controller does.
  for (let pass = 0; pass < 4; pass++) {
    for (const one of roles) if (one.aggregationRule) one.rules = [...aggregatedRules(one, roles)];
  }
  const policy = index(
    ...roles,
    ...DEFAULT_CLUSTER_ROLE_BINDINGS,
    bind("ClusterRole", "admin", isUser("adam"), "a"),
    bind("ClusterRole", "edit", isUser("eve"), "a"),
    bind("ClusterRole", "view", isUser("vic"), "a"),
  );
  const inA = { namespace: "a", name: "x" };
  const ferrite = { ...inA, apiGroup: "ferrite.dev" };
  const anonymous: User = { name: "system:anonymous", uid: "", groups: ["system:unauthenticated"], extra: {} };
  const path = (who: User, url: string) => ask(who, "get", "", { resourceRequest: false, path: url });

  test.each<[string, Attributes, boolean]>([
    ["view reads volumes", ask(user("vic"), "list", "volumes", ferrite), true],
    ["view does not read secrets", ask(user("vic"), "get", "secrets", inA), false],
    ["view does not write volumes", ask(user("vic"), "create", "volumes", ferrite), false],
    ["edit writes volumes", ask(user("eve"), "create", "volumes", ferrite), true],
    ["edit reads secrets", ask(user("eve"), "get", "secrets", inA), true],
    ["edit does not write roles", ask(user("eve"), "create", "roles", { ...inA, apiGroup: API }), false],
    ["edit does not write status", ask(user("eve"), "update", "volumes/status", ferrite), false],
    ["edit does not touch hosts", ask(user("eve"), "update", "hosts", { apiGroup: "ferrite.dev", name: "h" }), false],
    ["admin writes roles", ask(user("adam"), "create", "roles", { ...inA, apiGroup: API }), true],
    ["admin stays in the namespace", ask(user("adam"), "get", "secrets", { namespace: "b", name: "x" }), false],
    ["everybody known may discover", path(user("nobody"), "/apis/ferrite.dev/v1alpha1"), true],
    [
      "everybody known may ask what he may do",
      ask(user("nobody"), "create", "selfsubjectaccessreviews", { apiGroup: "authorization.k8s.io" }),
      true,
    ],
    ["nobody known may list secrets", ask(user("nobody"), "list", "secrets", inA), false],
    ["strangers may see the version", path(anonymous, "/version"), true],
    ["strangers may see the health", path(anonymous, "/readyz"), true],
    ["strangers may not discover", path(anonymous, "/apis"), false],
    ["strangers may not see metrics", path(anonymous, "/metrics"), false],
    [
      "strangers may not ask for certificates",
      ask(anonymous, "create", "certificatesigningrequests", { apiGroup: "certificates.k8s.io" }),
      false,
    ],
    [
      "joining hosts may ask for certificates",
      ask(
        user("system:bootstrap:abcdef", "system:bootstrappers:ferrite:hosts"),
        "create",
        "certificatesigningrequests",
        { apiGroup: "certificates.k8s.io" },
      ),
      true,
    ],
    [
      "joining hosts may not approve",
      ask(
        user("system:bootstrap:abcdef", "system:bootstrappers:ferrite:hosts"),
        "update",
        "certificatesigningrequests/approval",
        { apiGroup: "certificates.k8s.io" },
      ),
      false,
    ],
    ["controllers write status", ask(user("c", "ferrite:controllers"), "update", "volumes/status", ferrite), true],
    ["controllers do not list secrets", ask(user("c", "ferrite:controllers"), "list", "secrets", inA), false],
  ])("%s", async (_, attributes, expected) => {
    expect(await allowed(policy, attributes)).toBe(expected);
  });

  it("are restored where something is missing, and keep what people added", () => {
    const wanted = DEFAULT_CLUSTER_ROLES.find((one) => one.metadata.name === "ferrite:viewer")!;
    const own = { verbs: ["get"], apiGroups: ["own"], resources: ["x"] };
    expect(reconcileRole(wanted, wanted)).toBeUndefined();
    expect(reconcileRole({ ...wanted, rules: [own] }, wanted)?.rules).toEqual([own, ...wanted.rules!]);
    const off = {
      ...wanted,
      rules: [],
      metadata: { ...wanted.metadata, annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } },
    };
    expect(reconcileRole(off, wanted)).toBeUndefined();
    const binding = DEFAULT_CLUSTER_ROLE_BINDINGS[0]!;
    expect(reconcileBinding(binding, binding)).toBeUndefined();
    expect(reconcileBinding({ ...binding, subjects: [] }, binding)?.subjects).toEqual(binding.subjects);
    expect(
      reconcileBinding({ ...binding, subjects: [], roleRef: { ...binding.roleRef, name: "view" } }, binding),
    ).toBeUndefined();
  });
});
