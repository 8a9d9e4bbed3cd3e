import type { KubeObject, OwnerReference } from "../../../machinery/object.ts";
import type { Resource } from "../../registry/types.ts";

export const FOREGROUND = "foregroundDeletion";
export const ORPHAN = "orphan";

/** One object, as far as ownership goes. */
export interface Node {
  readonly uid: string;
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly deleting: boolean;
  /** Waits for the dependents that block it. */
  readonly foreground: boolean;
  /** Waits until its dependents have forgotten it. */
  readonly orphaning: boolean;
  /** Told by the watch, which will tell of its end too. Else known by a read only. */
  readonly observed: boolean;
}

export function toNode(resource: Resource, object: KubeObject, observed: boolean): Node {
  const {
    uid = "",
    namespace = "",
    name = "",
    ownerReferences = [],
    deletionTimestamp,
    finalizers = [],
  } = object.metadata;
  const deleting = deletionTimestamp !== undefined;
  return {
    uid,
    resource,
    namespace,
    name,
    owners: ownerReferences,
    deleting,
    foreground: deleting && finalizers.includes(FOREGROUND),
    orphaning: deleting && finalizers.includes(ORPHAN),
    observed,
  };
}

/** Whether the reference of a dependent holds up the foreground deletion of its owner. */
export function blocks(dependent: Node, owner: Node): boolean {
  // What cannot be owned by it is not deleted for it either: it would hold the owner up for ever.
  if (owner.resource.namespaced && dependent.namespace === "") return false;
  return dependent.owners.some(({ uid, blockOwnerDeletion }) => uid === owner.uid && blockOwnerDeletion === true);
}

/** Who owns whom, by uid. References may name objects that are not there. */
export class OwnerGraph {
  readonly #nodes = new Map<string, Node>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): Node | undefined {
    return this.#nodes.get(uid);
  }

  /** Everything that names this uid as an owner, but itself. */
  dependents(uid: string): readonly Node[] {
    const found = [...(this.#dependents.get(uid) ?? [])].map((dependent) => this.#nodes.get(dependent));
    return found.filter((node) => node !== undefined && node.uid !== uid) as Node[];
  }

  /** Returns what was known before. */
  put(node: Node): Node | undefined {
    const before = this.#unlink(node.uid);
    this.#nodes.set(node.uid, node);
    for (const owner of node.owners) {
      const set = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, set.add(node.uid));
    }
    return before;
  }

  remove(uid: string): Node | undefined {
    const before = this.#unlink(uid);
    this.#nodes.delete(uid);
    return before;
  }

  #unlink(uid: string): Node | undefined {
    const before = this.#nodes.get(uid);
    for (const owner of before?.owners ?? []) {
      const set = this.#dependents.get(owner.uid);
      set?.delete(uid);
      if (set?.size === 0) this.#dependents.delete(owner.uid);
    }
    return before;
  }
}
