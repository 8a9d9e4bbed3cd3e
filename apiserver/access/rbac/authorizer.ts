import type { PolicyRule } from "../../builtin/kinds/rbac.ts";
import { ApiError } from "../../status.ts";
import type { Attributes, Authorizer, Decision, User } from "../types.ts";
import type { Grant, PolicyIndex } from "./policy-index.ts";
import { ruleAllows } from "./rule-match.ts";

/** Members may do everything; no role takes it from them, so that a broken policy can be mended. */
export const MASTERS_GROUP = "system:masters";

export const isMaster = (user: User): boolean => user.groups.includes(MASTERS_GROUP);

/** Answered to anybody even when the policy cannot be read: load balancers ask before it is. */
const ALWAYS_ALLOWED = ["/healthz", "/livez", "/readyz", "/version"];

function grantReason({ binding }: Grant, user: User): string {
  const { kind, metadata, roleRef } = binding;
  const where = metadata.namespace === undefined ? "" : `/${metadata.namespace}`;
  return `RBAC: allowed by ${kind} "${metadata.name ?? ""}${where}" of ${roleRef.kind} "${roleRef.name}" to User "${user.name}"`;
}

/** Role-based access control over the index. Throws ServiceUnavailable while the policy has not been read. */
export function rbacAuthorizer(index: PolicyIndex): Authorizer {
  return {
    authorize: (attributes) => {
      if (isMaster(attributes.user)) return Promise.resolve({ allowed: true, reason: `member of ${MASTERS_GROUP}` });
      if (!attributes.resourceRequest && ALWAYS_ALLOWED.includes(attributes.path)) {
        return Promise.resolve({ allowed: true, reason: "open to everybody" });
      }
      return index.ready ? Promise.resolve(decide(index, attributes)) : Promise.reject(notReady());
    },
  };
}

const notReady = (): ApiError =>
  new ApiError("ServiceUnavailable", "the roles and bindings have not been read yet, try again", {
    details: { retryAfterSeconds: 1 },
  });

function decide(index: PolicyIndex, attributes: Attributes): Decision {
  const namespace = attributes.resourceRequest ? attributes.namespace : "";
  for (const grant of index.grants(attributes.user, namespace)) {
    if (grant.rules.some((rule) => ruleAllows(rule, attributes))) {
      return { allowed: true, reason: grantReason(grant, attributes.user) };
    }
  }
  return { allowed: false, reason: "" };
}

/** Every rule that the user has in `namespace` (empty: cluster-wide). Throws ServiceUnavailable like the authorizer. */
export function rulesFor(index: PolicyIndex, user: User, namespace: string): readonly PolicyRule[] {
  if (isMaster(user)) {
    return [
      { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
      { verbs: ["*"], nonResourceURLs: ["*"] },
    ];
  }
  if (!index.ready) throw notReady();
  return [...index.grants(user, namespace)].flatMap((grant) => grant.rules);
}

/** The first that allows wins; if none does, the last reason given. */
export function firstToAllow(authorizers: readonly Authorizer[]): Authorizer {
  return {
    async authorize(attributes) {
      let reason = "";
      for (const authorizer of authorizers) {
        const decision = await authorizer.authorize(attributes);
        if (decision.allowed) return decision;
        reason = decision.reason || reason;
      }
      return { allowed: false, reason };
    },
  };
}
