import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { errors, exportJWK, type JSONWebKeySet, type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../../../machinery/clock.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { type Random, uuid } from "../../../machinery/random.ts";
import type { User } from "../types.ts";
import { knownUser, serviceAccountGroups, serviceAccountUser } from "../users.ts";

const ALGORITHM = "ES256";
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 3600;
const CREDENTIAL_ID = "authentication.kubernetes.io/credential-id";

/** The claim `kubernetes.io`, as in Kubernetes' bound tokens. */
interface BoundClaims {
  readonly namespace: string;
  readonly serviceaccount: { readonly name: string; readonly uid: string };
  readonly secret?: { readonly name: string; readonly uid: string };
}

/** Reads that must be fresh enough for a revocation to count: a token dies with its ServiceAccount and its Secret. */
export type LookUp = (
  kind: "ServiceAccount" | "Secret",
  namespace: string,
  name: string,
) => Promise<KubeObject | undefined>;

export interface TokenSettings {
  /** P-256, PKCS#8 PEM. */
  readonly keyPem: string;
  /** `iss`, and base of the OpenID discovery. */
  readonly issuer: string;
  /** Audiences that this server answers to; the first is the default of new tokens. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly lookUp: LookUp;
}

export interface TokenWish {
  readonly serviceAccount: KubeObject;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number | undefined;
  readonly secret: { readonly name: string; readonly uid: string } | undefined;
}

/** Why a token does not hold. Never carries the token. */
export class TokenRefusedError extends Error {}

/** Issues and checks ServiceAccount tokens: JWTs signed by our key, bound to the uid of the account. */
export class ServiceAccountTokens {
  readonly #settings: TokenSettings;
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #keyId: string;

  constructor(settings: TokenSettings) {
    this.#settings = settings;
    this.#private = createPrivateKey(settings.keyPem);
    this.#public = createPublicKey(settings.keyPem);
    const der = this.#public.export({ type: "spki", format: "der" });
    this.#keyId = createHash("sha256").update(der).digest("base64url");
  }

  get audiences(): readonly string[] {
    return this.#settings.audiences;
  }

  /** Lifetime is kept within 10 minutes and 2^32 seconds. */
  async issue(
    wish: TokenWish,
  ): Promise<{ readonly token: string; readonly expires: Date; readonly audiences: readonly string[] }> {
    const { clock, random, issuer, audiences } = this.#settings;
    const { name = "", namespace = "", uid = "" } = wish.serviceAccount.metadata;
    const nowSeconds = Math.floor(clock.now().getTime() / 1000);
    const seconds = Math.min(Math.max(wish.expirationSeconds ?? DEFAULT_SECONDS, MIN_SECONDS), MAX_SECONDS);
    const aud = wish.audiences.length > 0 ? wish.audiences : audiences.slice(0, 1);
    const bound: BoundClaims = {
      namespace,
      serviceaccount: { name, uid },
      ...(wish.secret === undefined ? {} : { secret: wish.secret }),
    };
    const token = await new SignJWT({ "kubernetes.io": bound })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#keyId })
      .setIssuer(issuer)
      .setSubject(serviceAccountUser(namespace, name))
      .setAudience([...aud])
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + seconds)
      .setJti(uuid(random))
      .sign(this.#private);
    return { token, expires: new Date((nowSeconds + seconds) * 1000), audiences: aud };
  }

  /** The user behind a token, and for which of `audiences` it holds. Throws TokenRefusedError; other errors are the world's. */
  async check(
    token: string,
    audiences: readonly string[] = this.audiences,
  ): Promise<{ readonly user: User; readonly audiences: readonly string[] }> {
    const payload = await this.#verify(token, audiences);
    const claims = readClaims(payload);
    await this.#demandLive("ServiceAccount", claims.namespace, claims.serviceaccount);
    if (claims.secret !== undefined) await this.#demandLive("Secret", claims.namespace, claims.secret);
    const { namespace, serviceaccount } = claims;
    const user = knownUser(serviceAccountUser(namespace, serviceaccount.name), serviceAccountGroups(namespace), {
      uid: serviceaccount.uid,
      extra: payload.jti === undefined ? {} : { [CREDENTIAL_ID]: [`JTI=${payload.jti}`] },
    });
    const aud = typeof payload.aud === "string" ? [payload.aud] : (payload.aud ?? []);
    return { user, audiences: audiences.filter((one) => aud.includes(one)) };
  }

  /** `/openid/v1/jwks`. */
  async jwks(): Promise<JSONWebKeySet> {
    return { keys: [{ ...(await exportJWK(this.#public)), use: "sig", alg: ALGORITHM, kid: this.#keyId }] };
  }

  /** `/.well-known/openid-configuration`. */
  openIdConfiguration(): Record<string, unknown> {
    const { issuer } = this.#settings;
    return {
      issuer,
      jwks_uri: `${issuer.replace(/\/$/, "")}/openid/v1/jwks`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: [ALGORITHM],
    };
  }

  async #verify(token: string, audiences: readonly string[]): Promise<JWTPayload> {
    const { issuer, clock } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, this.#public, {
        algorithms: [ALGORITHM],
        issuer,
        audience: [...audiences],
        currentDate: clock.now(),
        requiredClaims: ["exp", "sub"],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError)
        throw new TokenRefusedError(`the token does not hold: ${error.code}`, { cause: error });
      throw error;
    }
  }

  async #demandLive(
    kind: "ServiceAccount" | "Secret",
    namespace: string,
    wanted: { readonly name: string; readonly uid: string },
  ): Promise<void> {
    const found = await this.#settings.lookUp(kind, namespace, wanted.name);
    const where = `${kind} ${namespace}/${wanted.name}`;
    if (found === undefined) throw new TokenRefusedError(`${where} of the token has been deleted`);
    if (found.metadata.uid !== wanted.uid) throw new TokenRefusedError(`${where} of the token is another one now`);
  }
}

function readClaims(payload: JWTPayload): BoundClaims {
  const claims = payload["kubernetes.io"] as Partial<BoundClaims> | undefined;
  const account = claims?.serviceaccount;
  if (typeof claims?.namespace !== "string" || typeof account?.name !== "string" || typeof account.uid !== "string") {
    throw new TokenRefusedError("the token names no ServiceAccount");
  }
  if (payload.sub !== serviceAccountUser(claims.namespace, account.name)) {
    throw new TokenRefusedError("subject and claims of the token differ");
  }
  return claims as BoundClaims;
}
