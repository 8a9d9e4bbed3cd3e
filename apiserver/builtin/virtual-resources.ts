import type { PolicyIndex } from "../access/rbac/policy-index.ts";
import type { ServiceAccountTokens } from "../access/tokens/service-account-tokens.ts";
import type { Authenticator, Authorizer } from "../access/types.ts";
import type { VirtualResource } from "../registry/types.ts";
import type { CompileSchema } from "../schema/types.ts";
import { accessReviews } from "./virtual/access-reviews.ts";
import { type GetObject, selfSubjectReview, tokenRequest, tokenReview } from "./virtual/identity-reviews.ts";
import { virtualResource } from "./virtual/virtual-kind.ts";

export interface VirtualDeps {
  readonly authorizer: Authorizer;
  readonly policy: PolicyIndex;
  readonly authenticator: Authenticator;
  readonly tokens: ServiceAccountTokens;
  readonly getServiceAccount: GetObject;
  readonly getSecret: GetObject;
}

/** Every kind that is answered and not stored: reviews of access and identity, tokens. */
export function virtualResources(compile: CompileSchema, deps: VirtualDeps): readonly VirtualResource[] {
  const kinds = [
    ...accessReviews(deps.authorizer, deps.policy),
    selfSubjectReview,
    tokenReview(deps.authenticator, deps.tokens),
    tokenRequest(deps.tokens, deps),
  ];
  return kinds.map((kind) => virtualResource(kind, compile));
}
