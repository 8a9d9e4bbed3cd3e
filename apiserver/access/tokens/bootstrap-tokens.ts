import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../../machinery/clock.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { HOST_BOOTSTRAPPERS_GROUP } from "../rbac/default-roles.ts";
import type { User } from "../types.ts";
import { knownUser } from "../users.ts";

/** The format is Kubernetes' own: `ID.SECRET`, kept in Secret `bootstrap-token-ID` of kube-system. */
export const BOOTSTRAP_TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
export const BOOTSTRAP_NAMESPACE = "kube-system";
export const BOOTSTRAP_TYPE = "bootstrap.kubernetes.io/token";

/** Key of the Secret: the one host that this token may join. Such a token is used once. */
const HOST_KEY = "ferrite-host";
/** In the user's extra: the same, for who decides on certificate requests. */
const HOST_EXTRA = "ferrite.dev/host";
/** On the Secret: uid of the certificate request that used it up. */
export const USED_BY = "ferrite.dev/used-by";

export const bootstrapSecretName = (tokenId: string): string => `bootstrap-token-${tokenId}`;

const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
  /** Set: for `ferrite join` of this host, once. */
  readonly host: string | undefined;
  readonly expires: Date | undefined;
  readonly groups: readonly string[];
  /** uid of the certificate request that used it up. */
  readonly usedBy: string | undefined;
}

/** What a Secret says about a token; `undefined` when it is not one that may log in. */
export function readBootstrapSecret(object: KubeObject): BootstrapToken | undefined {
  const data = (object["data"] ?? {}) as Record<string, string>;
  const value = (key: string): string => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  const [id, host, expiration] = [value("token-id"), value(HOST_KEY), value("expiration")];
  if (object["type"] !== BOOTSTRAP_TYPE || object.metadata.name !== bootstrapSecretName(id)) return undefined;
  if (!BOOTSTRAP_TOKEN.test(`${id}.${value("token-secret")}`) || value("usage-bootstrap-authentication") !== "true")
    return undefined;
  const groups = value("auth-extra-groups")
    .split(",")
    .map((group) => group.trim())
    .filter((group) => group !== "");
  if (!groups.every((group) => EXTRA_GROUP.test(group))) return undefined;
  const expires = expiration === "" ? undefined : new Date(expiration);
  // A time that cannot be read must not mean "for ever".
  if (expires !== undefined && Number.isNaN(expires.getTime())) return undefined;
  const usedBy = object.metadata.annotations?.[USED_BY];
  return { id, secret: value("token-secret"), host: host === "" ? undefined : host, expires, groups, usedBy };
}

/** The Secret of a token by which `host` may join once, until `expires`. */
export function hostTokenSecret(token: {
  readonly id: string;
  readonly secret: string;
  readonly host: string;
  readonly expires: Date;
}): KubeObject {
  const data = {
    "token-id": token.id,
    "token-secret": token.secret,
    expiration: token.expires.toISOString(),
    "usage-bootstrap-authentication": "true",
    "auth-extra-groups": HOST_BOOTSTRAPPERS_GROUP,
    [HOST_KEY]: token.host,
    description: `ferrite join of host ${token.host}`,
  };
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: BOOTSTRAP_NAMESPACE, name: bootstrapSecretName(token.id) },
    type: BOOTSTRAP_TYPE,
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** The user of `ID.SECRET`; `undefined`: it does not hold. Throws only what `getSecret` throws. */
export async function checkBootstrapToken(
  token: string,
  deps: {
    readonly clock: Clock;
    readonly getSecret: (namespace: string, name: string) => Promise<KubeObject | undefined>;
  },
): Promise<User | undefined> {
  const [, id, secret] = BOOTSTRAP_TOKEN.exec(token) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  const object = await deps.getSecret(BOOTSTRAP_NAMESPACE, bootstrapSecretName(id));
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return undefined;
  const found = readBootstrapSecret(object);
  if (found === undefined || !timingSafeEqual(digest(found.secret), digest(secret))) return undefined;
  if (found.expires !== undefined && found.expires.getTime() <= deps.clock.now().getTime()) return undefined;
  return knownUser(`system:bootstrap:${id}`, ["system:bootstrappers", ...found.groups], {
    extra: found.host === undefined ? {} : { [HOST_EXTRA]: [found.host] },
  });
}
