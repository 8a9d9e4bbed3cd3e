import type { ApiObject } from "../client/api-object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";

/** coordination.k8s.io/v1. Times are RFC 3339 with microseconds. */
export interface Lease extends ApiObject {
  spec?: LeaseSpec;
}

export interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

export const LEASES: ResourceType<Lease> = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};
