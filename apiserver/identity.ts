import { generateKeyPairSync } from "node:crypto";
import type { Clock } from "../machinery/clock.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { Random } from "../machinery/random.ts";
import { createAuthenticator } from "./access/authenticate.ts";
import type { PolicyIndex } from "./access/rbac/policy-index.ts";
import { ServiceAccountTokens } from "./access/tokens/service-account-tokens.ts";
import type { Authenticator, Authorizer, User } from "./access/types.ts";
import { virtualResources } from "./builtin/virtual-resources.ts";
import type { VirtualResource } from "./registry/types.ts";
import { compileSchema } from "./schema/compile.ts";
import type { Storage } from "./storage/types.ts";

export interface IdentityOptions {
  /** P-256, PKCS#8 PEM; absent: a new one, tokens end with this process. */
  readonly serviceAccountKeyPem?: string;
  /** `iss` of ServiceAccount tokens; default `https://kubernetes.default.svc`. */
  readonly issuer?: string;
  readonly staticTokens?: ReadonlyMap<string, User>;
}

export interface Identity {
  readonly authenticator: Authenticator;
  readonly tokens: ServiceAccountTokens;
  /** Reviews of access and identity, tokens. */
  readonly virtual: readonly VirtualResource[];
}

const DEFAULT_ISSUER = "https://kubernetes.default.svc";

/** Who asks, by certificate and token; reads accounts and secrets from the store at each use, so that deleting one counts. */
export function makeIdentity(
  options: IdentityOptions,
  deps: {
    readonly storage: Storage;
    readonly clock: Clock;
    readonly random: Random;
    readonly policy: PolicyIndex;
    readonly authorizer: Authorizer;
  },
): Identity {
  const { storage, clock, random, policy, authorizer } = deps;
  const read = async (plural: string, namespace: string, name: string): Promise<KubeObject | undefined> =>
    (await storage.get(`/registry/${plural}/${namespace}/${name}`)).stored?.object;
  const getServiceAccount = (namespace: string, name: string) => read("serviceaccounts", namespace, name);
  const getSecret = (namespace: string, name: string) => read("secrets", namespace, name);
  const issuer = options.issuer ?? DEFAULT_ISSUER;
  const tokens = new ServiceAccountTokens({
    keyPem: options.serviceAccountKeyPem ?? newKeyPem(),
    issuer,
    audiences: [issuer],
    clock,
    random,
    lookUp: (kind, namespace, name) => (kind === "Secret" ? getSecret : getServiceAccount)(namespace, name),
  });
  const { staticTokens = new Map<string, User>() } = options;
  const authenticator = createAuthenticator({ serviceAccountTokens: tokens, staticTokens, clock, getSecret });
  const virtual = virtualResources(compileSchema, {
    authorizer,
    policy,
    authenticator,
    tokens,
    getServiceAccount,
    getSecret,
  });
  return { authenticator, tokens, virtual };
}

const newKeyPem = (): string =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
