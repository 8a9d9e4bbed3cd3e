import type { Clock } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { ApiError } from "../status.ts";
import { BOOTSTRAP_TOKEN, checkBootstrapToken } from "./tokens/bootstrap-tokens.ts";
import { type ServiceAccountTokens, TokenRefusedError } from "./tokens/service-account-tokens.ts";
import { findStaticToken } from "./tokens/static-tokens.ts";
import type { Authenticator, Credentials, User } from "./types.ts";
import { knownUser } from "./users.ts";

export interface AuthenticationDeps {
  readonly serviceAccountTokens: ServiceAccountTokens;
  /** By digest: `parseTokenFile`. */
  readonly staticTokens: ReadonlyMap<string, User>;
  readonly clock: Clock;
  /** `undefined` only if the Secret provably does not exist. */
  getSecret(namespace: string, name: string): Promise<KubeObject | undefined>;
}

const unauthorized = (cause?: unknown): ApiError => new ApiError("Unauthorized", "Unauthorized", { cause });

/** Groups that only the store may give: no certificate or file makes somebody anonymous, or known. */
function certificateUser({ commonName, organizations }: NonNullable<Credentials["certificate"]>): User {
  if (commonName === "" || commonName === "system:anonymous") throw unauthorized();
  return knownUser(
    commonName,
    organizations.filter((group) => group !== "" && group !== "system:unauthenticated"),
  );
}

/**
 * A client certificate counts before a bearer token. A token that does not hold is refused (401) even where nobody at
 * all would be let in: somebody with a wrong password should hear of it.
 */
export function createAuthenticator(deps: AuthenticationDeps): Authenticator {
  return {
    async authenticate({ certificate, bearerToken }) {
      if (certificate !== undefined) return certificateUser(certificate);
      if (bearerToken === undefined || bearerToken === "") return undefined;
      return (await tokenUser(deps, bearerToken)) ?? refuse();
    },
  };
}

function refuse(): never {
  throw unauthorized();
}

async function tokenUser(deps: AuthenticationDeps, token: string): Promise<User | undefined> {
  const fixed = findStaticToken(deps.staticTokens, token);
  if (fixed !== undefined) return fixed;
  if (BOOTSTRAP_TOKEN.test(token)) return checkBootstrapToken(token, deps);
  if (token.split(".").length !== 3) return undefined;
  try {
    return (await deps.serviceAccountTokens.check(token)).user;
  } catch (error) {
    if (error instanceof TokenRefusedError) throw unauthorized(error);
    throw error;
  }
}
