import type { JsonObject } from "../../../machinery/object.ts";
import { type BindingObject, type PolicyRule, RBAC_GROUP, type RoleObject } from "../../builtin/kinds/rbac.ts";

const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";
const DEFAULTS_LABEL = "kubernetes.io/bootstrapping";
const aggregateTo = (role: string): string => `rbac.authorization.k8s.io/aggregate-to-${role}`;

const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "deletecollection", "patch", "update"];
const FERRITE = "ferrite.dev";

/** Bound to the tokens that `ferrite join` uses. */
export const HOST_BOOTSTRAPPERS_GROUP = "system:bootstrappers:ferrite:hosts";
export const CONTROLLERS_GROUP = "ferrite:controllers";

const rule = (verbs: readonly string[], apiGroups: readonly string[], resources: readonly string[]): PolicyRule => ({
  verbs,
  apiGroups,
  resources,
});

const urls = (...nonResourceURLs: readonly string[]): PolicyRule => ({ verbs: ["get"], nonResourceURLs });

function role(name: string, rules: readonly PolicyRule[], labels: Record<string, string> = {}): RoleObject {
  return {
    apiVersion: `${RBAC_GROUP}/v1`,
    kind: "ClusterRole",
    metadata: { name, labels: { [DEFAULTS_LABEL]: "rbac-defaults", ...labels }, annotations: { [AUTOUPDATE]: "true" } },
    rules: [...rules],
  };
}

/** A role whose rules are those of all roles with the label. */
const aggregated = (name: string, labels: Record<string, string> = {}): RoleObject => ({
  ...role(name, [], labels),
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(name)]: "true" } }] },
});

function binding(name: string, roleName: string, groups: readonly string[]): BindingObject {
  return {
    apiVersion: `${RBAC_GROUP}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name, labels: { [DEFAULTS_LABEL]: "rbac-defaults" }, annotations: { [AUTOUPDATE]: "true" } },
    roleRef: { apiGroup: RBAC_GROUP, kind: "ClusterRole", name: roleName },
    subjects: groups.map((group) => ({ kind: "Group", apiGroup: RBAC_GROUP, name: group })),
  };
}

const HEALTH = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
const DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];

/** Namespaced kinds of ours that a namespace's people work with. */
const FERRITE_NAMESPACED = ["volumes", "snapshots", "mirrors", "exports", "imports", "virtualmachines", "migrations"];

/** The user-facing roles of Kubernetes, for the kinds that are served here, and Ferrite's own. */
export const DEFAULT_CLUSTER_ROLES: readonly RoleObject[] = [
  role("cluster-admin", [rule(["*"], ["*"], ["*"]), { verbs: ["*"], nonResourceURLs: ["*"] }]),
  role("system:discovery", [urls(...HEALTH, ...DISCOVERY)]),
  role("system:public-info-viewer", [urls(...HEALTH)]),
  role("system:basic-user", [
    rule(["create"], ["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
    rule(["create"], ["authentication.k8s.io"], ["selfsubjectreviews"]),
  ]),
  role("system:auth-delegator", [
    rule(["create"], ["authentication.k8s.io"], ["tokenreviews"]),
    rule(["create"], ["authorization.k8s.io"], ["subjectaccessreviews"]),
  ]),
  role("system:service-account-issuer-discovery", [urls("/.well-known/openid-configuration", "/openid/v1/jwks")]),
  aggregated("admin"),
  aggregated("edit", { [aggregateTo("admin")]: "true" }),
  aggregated("view", { [aggregateTo("edit")]: "true" }),
  role(
    "system:aggregate-to-admin",
    [
      rule(["create"], ["authorization.k8s.io"], ["localsubjectaccessreviews"]),
      rule([...READ, ...WRITE], [RBAC_GROUP], ["roles", "rolebindings"]),
    ],
    { [aggregateTo("admin")]: "true" },
  ),
  role(
    "system:aggregate-to-edit",
    [
      rule(READ, [""], ["secrets"]),
      rule(["impersonate"], [""], ["serviceaccounts"]),
      rule(WRITE, [""], ["configmaps", "secrets", "serviceaccounts", "events"]),
      rule(["create"], [""], ["serviceaccounts/token"]),
      rule([...READ, ...WRITE], ["coordination.k8s.io"], ["leases"]),
    ],
    { [aggregateTo("edit")]: "true" },
  ),
  role(
    "system:aggregate-to-view",
    [
      rule(READ, [""], ["configmaps", "serviceaccounts", "events", "namespaces", "pods", "services", "endpoints"]),
      rule(READ, [""], ["persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "limitranges"]),
      rule(READ, ["apps"], ["deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions"]),
      rule(READ, ["batch"], ["jobs", "cronjobs"]),
      rule(READ, ["events.k8s.io"], ["events"]),
      rule(READ, ["networking.k8s.io"], ["ingresses", "networkpolicies"]),
      rule(READ, ["discovery.k8s.io"], ["endpointslices"]),
      rule(READ, ["policy"], ["poddisruptionbudgets"]),
      rule(READ, ["autoscaling"], ["horizontalpodautoscalers"]),
    ],
    { [aggregateTo("view")]: "true" },
  ),
  role("ferrite:aggregate-to-edit", [rule(WRITE, [FERRITE], FERRITE_NAMESPACED)], { [aggregateTo("edit")]: "true" }),
  role("ferrite:aggregate-to-view", [rule(READ, [FERRITE], [...FERRITE_NAMESPACED, "mirrorreplicas"])], {
    [aggregateTo("view")]: "true",
  }),
  role("ferrite:viewer", [rule(READ, [FERRITE], ["*"])]),
  role("ferrite:operator", [
    rule([...READ, ...WRITE], [FERRITE], ["*"]),
    // Whoever may make VolumeGroups on any disk may take over what lies in them, and guests on hosts.
    rule(["adopt"], [FERRITE], ["volumegroups", "hosts"]),
    rule(READ, ["", "events.k8s.io"], ["events"]),
  ]),
  role("ferrite:host-bootstrapper", [
    rule(["create", "get", "list", "watch"], ["certificates.k8s.io"], ["certificatesigningrequests"]),
  ]),
  role("ferrite:controllers", [
    rule(["*"], [FERRITE], ["*"]),
    rule(["get", "list", "watch", "create", "update", "patch", "delete"], ["coordination.k8s.io"], ["leases"]),
    rule(["create", "patch", "update"], ["", "events.k8s.io"], ["events"]),
    // Those that objects of ours refer to; which ones is known only to the objects.
    rule(["get"], [""], ["secrets"]),
    rule(READ, [""], ["namespaces"]),
    rule(READ, ["certificates.k8s.io"], ["certificatesigningrequests"]),
    rule(
      ["update", "patch"],
      ["certificates.k8s.io"],
      ["certificatesigningrequests/approval", "certificatesigningrequests/status"],
    ),
    {
      verbs: ["approve", "sign"],
      apiGroups: ["certificates.k8s.io"],
      resources: ["signers"],
      resourceNames: ["ferrite.dev/host"],
    },
  ]),
];

export const DEFAULT_CLUSTER_ROLE_BINDINGS: readonly BindingObject[] = [
  binding("cluster-admin", "cluster-admin", ["system:masters"]),
  binding("system:discovery", "system:discovery", ["system:authenticated"]),
  binding("system:public-info-viewer", "system:public-info-viewer", ["system:authenticated", "system:unauthenticated"]),
  binding("system:basic-user", "system:basic-user", ["system:authenticated"]),
  binding("system:service-account-issuer-discovery", "system:service-account-issuer-discovery", [
    "system:serviceaccounts",
  ]),
  binding("ferrite:host-bootstrapper", "ferrite:host-bootstrapper", [HOST_BOOTSTRAPPERS_GROUP]),
  binding("ferrite:controllers", "ferrite:controllers", [CONTROLLERS_GROUP]),
];

const sameRule = (left: object, right: object): boolean => canonical(left) === canonical(right);
const canonical = (rule: object): string =>
  JSON.stringify(Object.entries(rule as JsonObject).toSorted(([a], [b]) => (a < b ? -1 : 1)));

/**
 * `live` with what the default has and it lacks (rules, subjects, labels); what people added stays. `undefined`: nothing
 * to do, or the annotation `…/autoupdate: "false"` forbids it. Aggregated roles are left to the aggregation.
 */
export function reconcileRole(live: RoleObject, wanted: RoleObject): RoleObject | undefined {
  if (!mayUpdate(live)) return undefined;
  const rules = wanted.aggregationRule === undefined ? union(live.rules, wanted.rules, sameRule) : (live.rules ?? []);
  const next: RoleObject = { ...live, metadata: withDefaults(live, wanted), rules };
  if (wanted.aggregationRule !== undefined) next.aggregationRule = wanted.aggregationRule;
  return JSON.stringify(next) === JSON.stringify({ ...live, rules: live.rules ?? [] }) ? undefined : next;
}

/** The same for bindings. A binding to another role is somebody's decision and stays. */
export function reconcileBinding(live: BindingObject, wanted: BindingObject): BindingObject | undefined {
  if (!mayUpdate(live) || live.roleRef.name !== wanted.roleRef.name) return undefined;
  const next = {
    ...live,
    metadata: withDefaults(live, wanted),
    subjects: union(live.subjects, wanted.subjects, sameRule),
  };
  return JSON.stringify(next) === JSON.stringify({ ...live, subjects: live.subjects ?? [] }) ? undefined : next;
}

const mayUpdate = (live: RoleObject | BindingObject): boolean => live.metadata.annotations?.[AUTOUPDATE] !== "false";

function withDefaults(live: RoleObject | BindingObject, wanted: RoleObject | BindingObject): RoleObject["metadata"] {
  return {
    ...live.metadata,
    labels: { ...live.metadata.labels, ...wanted.metadata.labels },
    annotations: { ...live.metadata.annotations, ...wanted.metadata.annotations },
  };
}

function union<T extends object>(
  live: readonly T[] | undefined,
  wanted: readonly T[] | undefined,
  same: (a: T, b: T) => boolean,
): T[] {
  const have = live ?? [];
  return [...have, ...(wanted ?? []).filter((one) => !have.some((other) => same(one, other)))];
}
