import { EXPORTS } from "../generated/export.ts";
import { IMPORTS } from "../generated/import.ts";
import { MIRROR_REPLICAS } from "../generated/mirror-replica.ts";
import type { SecretRef } from "../generated/shared.ts";
import { exportOf } from "./serving-hosts.ts";
import type { Lister } from "./types.ts";

/** Kinds that `secretsOfHost` looks at. */
export const SECRET_GRAPH_READS = [EXPORTS, IMPORTS, MIRROR_REPLICAS] as const;

/** Whether the agent of a host may read a Secret: only when something that runs on the host refers to it. */
export function hostMayReadSecret(lister: Lister, host: string, namespace: string, name: string): boolean {
  return secretsOfHost(lister, host).some((secret) => secret.namespace === namespace && secret.name === name);
}

/** Secrets that objects on a host refer to: of its mirror replicas, of what it exports and of what it imports. */
function secretsOfHost(lister: Lister, host: string): readonly { readonly namespace: string; readonly name: string }[] {
  const replicas = lister
    .list(MIRROR_REPLICAS)
    .filter(({ spec }) => spec.hostName === host)
    .map(({ metadata, spec }) => ({ metadata, refs: [spec.sharedSecretRef] }));
  const imported = lister
    .list(IMPORTS)
    .filter(({ spec }) => spec.hostName === host)
    .map((one) => exportOf(lister, one));
  const served = lister.list(EXPORTS).filter(({ status }) => status?.hostName === host);
  const exports = [...served, ...imported.filter((one) => one !== undefined)].map(({ metadata, spec }) => ({
    metadata,
    refs: [spec.chapSecretRef, spec.tls?.secretRef],
  }));
  return [...replicas, ...exports].flatMap(({ metadata: { namespace }, refs }) =>
    refs.filter((ref): ref is SecretRef => ref !== undefined).map(({ name }) => ({ namespace, name })),
  );
}
