import { HOST_USER_PREFIX, HOSTS_GROUP } from "../../crds/constants.ts";
import type { CsrObject } from "../builtin/kinds/certificate-signing-request.ts";
import type { ReadRequest } from "./pki/certificates.ts";
import { MASTERS_GROUP } from "./rbac/authorizer.ts";
import { HOST_BOOTSTRAPPERS_GROUP } from "./rbac/default-roles.ts";
import type { BootstrapToken } from "./tokens/bootstrap-tokens.ts";

export const HOST_SIGNER = "ferrite.dev/host";
export const CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client";

/** The host behind `ferrite:host:NAME`; names are DNS labels of at most 40 characters. */
export function hostOfUser(name: string): string | undefined {
  const host = name.startsWith(HOST_USER_PREFIX) ? name.slice(HOST_USER_PREFIX.length) : "";
  return /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(host) ? host : undefined;
}

const HOST_USAGES = ["client auth", "digital signature", "key encipherment"];

/** Why a request can never be signed by its signer; `undefined`: an approved one can. */
export function whyUnsignable(csr: CsrObject, request: ReadRequest): string | undefined {
  const { signerName, usages = [] } = csr.spec;
  const { commonName, organizations } = request.subject;
  if (!usages.includes("client auth")) return 'usages must hold "client auth"';
  if (usages.some((usage) => !HOST_USAGES.includes(usage))) return `usages may be ${HOST_USAGES.join(", ")} only`;
  if (request.hasAlternativeNames) return "a client certificate has no subject alternative names";
  if (request.otherNameParts.length > 0)
    return `the subject may hold CN and O only, not ${request.otherNameParts.join(", ")}`;
  if (commonName === "") return "the subject has no common name (CN)";
  if (signerName === HOST_SIGNER) {
    if (hostOfUser(commonName) === undefined) return `CN must be ${HOST_USER_PREFIX}NAME of a host, not ${commonName}`;
    return organizations.length === 1 && organizations[0] === HOSTS_GROUP
      ? undefined
      : `O must be ${HOSTS_GROUP} and nothing else`;
  }
  if (organizations.includes(MASTERS_GROUP)) return `O=${MASTERS_GROUP} is never signed`;
  // The host rule rests on it: only the host signer says who is a host.
  if (organizations.includes(HOSTS_GROUP)) return `O=${HOSTS_GROUP} is signed by ${HOST_SIGNER} only`;
  return undefined;
}

export type Approval =
  | { readonly approve: true; readonly reason: string }
  | { readonly approve: false; readonly why: string };

const no = (why: string): Approval => ({ approve: false, why });

/**
 * Whether a signable request of `ferrite.dev/host` is approved without a person: a joining host with its own one-use
 * token that nobody else used, or a host that renews its own certificate. `csr.spec.username` and `groups` are the
 * server's word. `token` is the Secret of a bootstrap user, as it is now.
 */
export function decideHostApproval(csr: CsrObject, request: ReadRequest, token: BootstrapToken | undefined): Approval {
  const { username = "", groups = [] } = csr.spec;
  const host = hostOfUser(request.subject.commonName);
  if (groups.includes(HOSTS_GROUP)) {
    const same = username === request.subject.commonName;
    return same
      ? { approve: true, reason: "HostRenewsItsOwnCertificate" }
      : no(`${username} may renew its own certificate only`);
  }
  if (!username.startsWith("system:bootstrap:") || !groups.includes(HOST_BOOTSTRAPPERS_GROUP))
    return no("neither a joining host nor a host");
  if (token === undefined || `system:bootstrap:${token.id}` !== username) return no("its bootstrap token is gone");
  if (token.host === undefined) return no("its bootstrap token names no host");
  if (token.host !== host) return no(`its bootstrap token is for host ${token.host}`);
  if (token.usedBy !== undefined && token.usedBy !== csr.metadata.uid) return no("its bootstrap token has been used");
  return { approve: true, reason: "HostJoinsWithItsToken" };
}
