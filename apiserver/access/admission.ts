import { admissionReads, admit } from "../../crds/admission/admit.ts";
import type { AdmissionRequest, Lister } from "../../crds/admission/types.ts";
import { GROUP, SYSTEM_NAMESPACE } from "../../crds/constants.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { RBAC_GROUP } from "../builtin/kinds/rbac.ts";
import { type CsrObject, hasCondition } from "../builtin/kinds/certificate-signing-request.ts";
import { ApiError, invalid, qualifiedResource, type ResourceName } from "../status.ts";
import { adoptionRefusal } from "./adoption.ts";
import type { EscalationCheck } from "./escalation.ts";
import { hostOf, leaseOf, type ReadKinds } from "./host-authorizer.ts";
import { isMaster } from "./rbac/authorizer.ts";
import type { Authorizer, User } from "./types.ts";

/** One write, before it is stored. `old` is absent on create, `updated` on delete. */
export interface Write {
  readonly resource: ResourceName;
  readonly user: User;
  readonly operation: "create" | "update" | "delete";
  readonly verb: AdmissionRequest["verb"];
  readonly subresource: string;
  readonly old: KubeObject | undefined;
  readonly updated: KubeObject | undefined;
}

export interface AdmissionDeps {
  readonly escalation: EscalationCheck;
  readonly authorizer: Authorizer;
  readonly read: ReadKinds;
}

/** Deleting one of these would take the server's own objects with it; they would only come back empty. */
const PROTECTED_NAMESPACES = ["default", "kube-system", "kube-public", SYSTEM_NAMESPACE];

const refuse = (write: Write, why: string): ApiError => {
  const { resource, updated, old } = write;
  const name = (updated ?? old)?.metadata.name ?? "";
  return new ApiError("Forbidden", `${qualifiedResource(resource)} "${name}" is forbidden: ${why}`, {
    details: { name, ...(resource.group === "" ? {} : { group: resource.group }), kind: resource.plural },
  });
};

/**
 * All rules over a write that need more than the object's own schema: cross-object rules and host rule of our kinds, no
 * escalation through roles, who may decide on certificates, namespaces that stay. Throws ApiError to refuse.
 */
export async function admitWrite(deps: AdmissionDeps, write: Write): Promise<void> {
  const { group, plural } = write.resource;
  if (group === GROUP) return admitOurs(deps, write);
  if (group === RBAC_GROUP && write.updated !== undefined) {
    return deps.escalation.check({ user: write.user, object: write.updated, old: write.old });
  }
  if (group === "certificates.k8s.io") return admitCertificate(deps, write);
  if (group === "coordination.k8s.io") return admitLease(write);
  if (group === "" && plural === "namespaces") admitNamespace(write);
}

async function admitOurs({ read, authorizer }: AdmissionDeps, write: Write): Promise<void> {
  const missing = await adoptionRefusal(authorizer, write);
  if (missing !== undefined) throw refuse(write, missing);
  const { operation, verb, resource, subresource, updated: object, old, user } = write;
  const request: AdmissionRequest = {
    operation: operation === "create" ? "CREATE" : operation === "update" ? "UPDATE" : "DELETE",
    verb,
    plural: resource.plural,
    subresource: subresource === "status" ? "status" : "",
    object,
    old,
    user,
  };
  const kinds = admissionReads(resource.plural);
  const lister: Lister = kinds.length === 0 ? { list: () => [] } : await read(kinds);
  const errors = admit(request, lister);
  if (errors.length === 0) return;
  if (errors.every((error) => error.reason === "FieldValueForbidden" && error.field === "")) {
    throw refuse(write, errors.map((error) => error.message.replace(/^Forbidden: /, "")).join("; "));
  }
  throw invalid(resource, (object ?? old)?.metadata.name ?? "", errors);
}

/** A host renews its own Lease; what RBAC may give it elsewhere is not looked at. */
function admitLease(write: Write): Promise<void> {
  const host = hostOf(write.user);
  const metadata = (write.updated ?? write.old)?.metadata;
  if (host === undefined || metadata?.namespace !== SYSTEM_NAMESPACE || metadata.name === leaseOf(host))
    return Promise.resolve();
  return Promise.reject(refuse(write, `host ${host} may write the Lease ${leaseOf(host)} only`));
}

function admitNamespace(write: Write): void {
  const name = write.old?.metadata.name ?? "";
  if (write.operation === "delete" && PROTECTED_NAMESPACES.includes(name))
    throw refuse(write, "this namespace may not be deleted");
}

/** Deciding and signing are rights on the signer, not only on the request (as in Kubernetes). */
async function admitCertificate({ authorizer }: AdmissionDeps, write: Write): Promise<void> {
  const { updated, old, subresource, user } = write;
  if (updated === undefined || old === undefined || isMaster(user)) return;
  const [csr, before] = [updated as CsrObject, old as CsrObject];
  if (subresource === "approval") await demandOnSigner(authorizer, write, "approve", before.spec.signerName);
  if (subresource !== "status") return;
  const signs =
    csr.status?.certificate !== before.status?.certificate ||
    hasCondition(csr, "Failed") !== hasCondition(before, "Failed");
  if (signs) await demandOnSigner(authorizer, write, "sign", before.spec.signerName);
}

async function demandOnSigner(authorizer: Authorizer, write: Write, verb: string, signerName: string): Promise<void> {
  const wildcard = `${signerName.split("/", 1)[0] ?? ""}/*`;
  for (const name of [signerName, wildcard]) {
    const decision = await authorizer.authorize({
      user: write.user,
      verb,
      namespace: "",
      apiGroup: "certificates.k8s.io",
      apiVersion: "v1",
      resource: "signers",
      subresource: "",
      name,
      resourceRequest: true,
      path: "",
    });
    if (decision.allowed) return;
  }
  throw refuse(write, `user not permitted to ${verb} requests with signerName "${signerName}"`);
}
