import { hostMayReadSecret, SECRET_GRAPH_READS } from "../../crds/admission/secrets.ts";
import { HOST_PATHS } from "../../crds/admission/host-rule.ts";
import type { Lister } from "../../crds/admission/types.ts";
import { GROUP, HOSTS_GROUP, SYSTEM_NAMESPACE } from "../../crds/constants.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import { hostOfUser } from "./csr-policy.ts";
import { nameAsked } from "./rbac/rule-match.ts";
import type { Attributes, Authorizer, Decision, User } from "./types.ts";

/** Name of the Lease that a host renews, in the system namespace. */
export const leaseOf = (host: string): string => `host-${host}`;

const READ = ["get", "list", "watch"];
const WRITE = ["update", "patch"];

/** The host that a user is: group and name must both say so, and only our own signer gives them. */
export function hostOf(user: User): string | undefined {
  return user.groups.includes(HOSTS_GROUP) ? hostOfUser(user.name) : undefined;
}

/** What may reach admission at all; which objects, is decided there (`crds/admission/host-rule.ts`), where they are known. */
function mayTry(host: string, attributes: Attributes): boolean {
  const { verb, resource, subresource, namespace, apiGroup } = attributes;
  const name = nameAsked(attributes);
  switch (apiGroup) {
    case GROUP:
      return mayTryOurs(host, attributes, name);
    case "coordination.k8s.io":
      if (resource !== "leases" || subresource !== "" || namespace !== SYSTEM_NAMESPACE) return false;
      return verb === "create" || ([...READ, ...WRITE].includes(verb) && name === leaseOf(host));
    case "events.k8s.io":
    case "":
      return resource === "events" && subresource === "" && ["create", ...WRITE].includes(verb);
    case "certificates.k8s.io":
      if (resource !== "certificatesigningrequests" || subresource !== "") return false;
      return verb === "create" || (READ.includes(verb) && name !== "");
    default:
      return false;
  }
}

function mayTryOurs(host: string, { verb, resource, subresource }: Attributes, name: string): boolean {
  if (READ.includes(verb)) return subresource === "" || subresource === "status";
  if (resource === "hosts" && subresource === "") return verb === "create" || (WRITE.includes(verb) && name === host);
  if (resource === "hosts" && subresource === "status") return WRITE.includes(verb) && name === host;
  // A compare-and-set of the whole record and nothing else: safety rests on it.
  if (resource === "hostpairs") return subresource === "status" && verb === "update";
  return (
    Object.hasOwn(HOST_PATHS, resource) && (subresource === "" || subresource === "status") && WRITE.includes(verb)
  );
}

/** Reads all objects of these kinds of ours, as they are now. */
export type ReadKinds = (kinds: readonly ResourceType[]) => Promise<Lister>;

const NO_OPINION: Decision = { allowed: false, reason: "" };

/**
 * What the agent of a host may do beyond what RBAC gives it: it sees all of our kinds, and writes what is its own. No
 * opinion about other users.
 */
export function hostAuthorizer(read: ReadKinds): Authorizer {
  return {
    async authorize(attributes) {
      const host = hostOf(attributes.user);
      if (host === undefined || !attributes.resourceRequest) return NO_OPINION;
      if (attributes.apiGroup === "" && attributes.resource === "secrets")
        return authorizeSecret(host, attributes, read);
      return mayTry(host, attributes)
        ? { allowed: true, reason: `host rule: host ${host}` }
        : { ...NO_OPINION, reason: `host ${host} has no business with it` };
    },
  };
}

/** A host gets exactly the Secrets that objects of its own refer to, one by one. */
async function authorizeSecret(
  host: string,
  { verb, namespace, name, subresource }: Attributes,
  read: ReadKinds,
): Promise<Decision> {
  if (verb !== "get" || name === "" || namespace === "" || subresource !== "") {
    return { allowed: false, reason: "a host may only get Secrets, one by one" };
  }
  const mine = hostMayReadSecret(await read(SECRET_GRAPH_READS), host, namespace, name);
  if (mine) return { allowed: true, reason: `host rule: an object of host ${host} refers to it` };
  return { allowed: false, reason: `no object of host ${host} refers to this Secret` };
}
