import type { KubeObject } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";
import type { Propagation } from "../verbs/delete-options.ts";

/** Where one object is. `namespace` is empty for cluster-scoped kinds. */
export interface Place {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
}

/**
 * All that the loops in this folder may do to the store: the verbs of the API, as the server itself, without HTTP.
 * Reads are linearizable. Every write is a compare-and-set, so that the same loops may run on several servers.
 */
export interface Cluster {
  /** One version of every kind that is stored; a kind in two shapes is there once. */
  resources(): readonly Resource[];
  /** `undefined` means that the object is provably absent. */
  get(place: Place): Promise<KubeObject | undefined>;
  list(resource: Resource, namespace?: string): Promise<readonly KubeObject[]>;
  /** "exists": somebody was faster, or the namespace is gone or going. */
  create(resource: Resource, object: KubeObject): Promise<"created" | "exists">;
  /**
   * Writes what `change` makes of the object as it is now (a copy, which it may change in place); `undefined`: leave it.
   * "absent": it is gone, or its uid is another one.
   */
  update(place: Place, write: ClusterUpdate): Promise<"written" | "absent">;
  /** "changed": uid or resourceVersion are others by now. */
  delete(place: Place, condition: DeleteCondition): Promise<"deleted" | "absent" | "changed">;
}

export interface ClusterUpdate {
  readonly subresource?: string;
  readonly uid?: string | undefined;
  readonly change: (live: KubeObject) => KubeObject | undefined;
}

export interface DeleteCondition {
  readonly uid: string;
  readonly resourceVersion?: string | undefined;
  /** Absent: as the object and its kind have it. */
  readonly propagation?: Propagation;
}

export const placeOf = (resource: Resource, object: KubeObject): Place => ({
  resource,
  namespace: object.metadata.namespace ?? "",
  name: object.metadata.name ?? "",
});

/** The kind with this group and name, in whatever version it is served; `undefined`: not served. */
export function findKind(cluster: Cluster, group: string, kind: string): Resource | undefined {
  return cluster.resources().find((resource) => resource.group === group && resource.kind === kind);
}

/** A built-in kind: always there. */
export function builtin(cluster: Cluster, group: string, kind: string): Resource {
  const found = findKind(cluster, group, kind);
  if (found === undefined) throw new Error(`built-in kind ${kind} is not registered`);
  return found;
}
