import type { KubeObject } from "../../machinery/object.ts";
import type { BindingObject, PolicyRule, RoleObject } from "../builtin/kinds/rbac.ts";
import { RBAC_GROUP } from "../builtin/kinds/rbac.ts";
import { goQuote } from "../schema/field-error.ts";
import { ApiError } from "../status.ts";
import { isMaster, rulesFor } from "./rbac/authorizer.ts";
import type { PolicyIndex } from "./rbac/policy-index.ts";
import { uncovered } from "./rbac/rule-match.ts";
import type { Authorizer, User } from "./types.ts";

/** A create or update of one RBAC object, before it is stored. */
export interface RbacWrite {
  readonly user: User;
  readonly object: KubeObject;
  readonly old: KubeObject | undefined;
}

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

const pluralOf = (kind: string): string => `${kind.toLowerCase()}s`;

/** A list of texts as Go's `%q` prints it: `["get" "list"]`. */
const quoted = (values: readonly string[]): string => `[${values.map(goQuote).join(" ")}]`;

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`, as Kubernetes writes it. */
function describe(rule: PolicyRule): string {
  const part = (name: string, values: readonly string[] | undefined) =>
    values?.length ? [`${name}:${quoted(values)}`] : [];
  const parts = [
    ...part("APIGroups", rule.apiGroups),
    ...part("Resources", rule.resources),
    ...part("ResourceNames", rule.resourceNames),
    ...part("NonResourceURLs", rule.nonResourceURLs),
    ...part("Verbs", rule.verbs),
  ];
  return `{${parts.join(", ")}}`;
}

/** One line for each resource with all of its verbs, as Kubernetes does; names and URLs stay one verb a line. Sorted. */
function describeAll(atoms: readonly PolicyRule[]): string {
  const resources = new Map<string, PolicyRule>();
  const lines = new Set<string>();
  for (const atom of atoms) {
    const isSimple = !atom.resourceNames?.length && !atom.nonResourceURLs?.length;
    if (!isSimple) lines.add(describe(atom));
    const key = `${atom.apiGroups?.[0] ?? ""}/${atom.resources?.[0] ?? ""}`;
    const known = resources.get(key);
    if (isSimple)
      resources.set(
        key,
        known === undefined ? atom : { ...atom, verbs: [...(known.verbs ?? []), ...(atom.verbs ?? [])] },
      );
  }
  for (const rule of resources.values()) lines.add(describe(rule));
  return [...lines].toSorted().join("\n");
}

/**
 * Nobody gives what he does not have: who writes a role must hold all of its rules (or the verb `escalate`), who binds
 * one must hold all that it gives (or the verb `bind` on it). Throws Forbidden.
 */
export class EscalationCheck {
  readonly #index: PolicyIndex;
  readonly #authorizer: Authorizer;

  constructor(index: PolicyIndex, authorizer: Authorizer) {
    this.#index = index;
    this.#authorizer = authorizer;
  }

  /** To be called for every create and update in rbac.authorization.k8s.io. */
  async check(write: RbacWrite): Promise<void> {
    if (isMaster(write.user)) return;
    const { kind } = write.object;
    if (kind === "Role" || kind === "ClusterRole") await this.#checkRole(write);
    if (kind === "RoleBinding" || kind === "ClusterRoleBinding") await this.#checkBinding(write);
  }

  async #checkRole({ user, object, old }: RbacWrite): Promise<void> {
    const role: RoleObject = object;
    const before: RoleObject | undefined = old;
    const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
    if (before !== undefined && same(role.rules, before.rules) && same(role.aggregationRule, before.aggregationRule))
      return;
    if (await this.#may(user, "escalate", object, object.metadata.name ?? "")) return;
    // Whoever controls labels of cluster roles controls an aggregated one: it is worth everything.
    const wanted = role.aggregationRule === undefined ? (role.rules ?? []) : EVERYTHING;
    this.#demand(user, object, wanted);
  }

  async #checkBinding({ user, object, old }: RbacWrite): Promise<void> {
    const binding = object as BindingObject;
    const before = old as BindingObject | undefined;
    if (before !== undefined && JSON.stringify(before.subjects ?? []) === JSON.stringify(binding.subjects ?? []))
      return;
    const { roleRef } = binding;
    const namespace = object.metadata.namespace ?? "";
    const roleNamespace = roleRef.kind === "Role" ? namespace : "";
    if (
      await this.#may(
        user,
        "bind",
        { kind: roleRef.kind, metadata: { namespace: roleNamespace || namespace } },
        roleRef.name,
      )
    )
      return;
    const rules = this.#index.rulesOf(roleRef, namespace);
    if (rules === undefined) throw missingRole(roleRef);
    this.#demand(user, object, rules);
  }

  async #may(user: User, verb: string, object: Pick<KubeObject, "kind" | "metadata">, name: string): Promise<boolean> {
    const decision = await this.#authorizer.authorize({
      user,
      verb,
      namespace: object.metadata.namespace ?? "",
      apiGroup: RBAC_GROUP,
      apiVersion: "v1",
      resource: pluralOf(object.kind),
      subresource: "",
      name,
      resourceRequest: true,
      path: "",
    });
    return decision.allowed;
  }

  #demand(user: User, object: KubeObject, wanted: readonly PolicyRule[]): void {
    const missing = uncovered(rulesFor(this.#index, user, object.metadata.namespace ?? ""), wanted);
    if (missing.length === 0) return;
    const name = object.metadata.name ?? "";
    const kind = pluralOf(object.kind);
    throw new ApiError(
      "Forbidden",
      `${kind}.${RBAC_GROUP} "${name}" is forbidden: user ${goQuote(user.name)} (groups=${quoted(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${describeAll(missing)}`,
      { details: { name, group: RBAC_GROUP, kind } },
    );
  }
}

const missingRole = (ref: { readonly kind: string; readonly name: string }): ApiError =>
  new ApiError("NotFound", `${pluralOf(ref.kind)}.${RBAC_GROUP} "${ref.name}" not found`, {
    details: { name: ref.name, group: RBAC_GROUP, kind: pluralOf(ref.kind) },
  });
