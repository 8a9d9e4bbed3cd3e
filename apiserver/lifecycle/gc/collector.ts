import type { KubeObject, OwnerReference } from "../../../machinery/object.ts";
import type { Resource } from "../../registry/types.ts";
import type { Propagation } from "../../verbs/delete-options.ts";
import { type Cluster, findKind } from "../cluster.ts";
import { Loop, type LoopDeps } from "../loop.ts";
import type { FeedSubscriber } from "../object-feed.ts";
import { reportInvalidOwner } from "./invalid-owner-event.ts";
import { blocks, FOREGROUND, type Node, ORPHAN, OwnerGraph, toNode } from "./graph.ts";

/** Recorders make them by the thousand and they own nothing; Kubernetes' collector leaves them out too. */
const IGNORED = new Set(["events"]);
/** Uids whose deletion was seen: an owner of a kind that is not served any more can only be told by these. */
const REMEMBERED_GONE = 10_000;
/** What is known by a read only (its kind is too new to be followed) ends without a word: it is looked at again. */
const RECHECK_MS = 1_000;

/** What has become of the owners of one object. */
interface Owners {
  /** There, and not waiting for us. */
  readonly solid: readonly OwnerReference[];
  /** Provably absent. */
  readonly dangling: readonly OwnerReference[];
  /** In foreground deletion. */
  readonly waiting: readonly OwnerReference[];
  /** Whether the watch will tell when any of them goes. */
  readonly observed: boolean;
}

type State = "solid" | "dangling" | "waiting";

/**
 * The garbage collector: deletes what has lost all of its owners, forgets owners that are gone, and completes orphaning
 * and foreground deletions. The graph comes from watches and may lag; so before anything is deleted the absence of its
 * owners is read from the store, and before an owner is let go its dependents are listed anew. Every write is tied to
 * the uid that it is meant for; a crash or a second collector at work does no harm.
 */
export class GarbageCollector implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #graph = new OwnerGraph();
  readonly #gone = new Set<string>();
  readonly #loop: Loop;
  readonly #deps: LoopDeps;

  constructor(cluster: Cluster, deps: LoopDeps) {
    this.#cluster = cluster;
    this.#deps = deps;
    this.#loop = new Loop("garbage-collector", deps, (uid) => this.#pass(uid), 4);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource, object: KubeObject): void {
    if (IGNORED.has(resource.plural)) return;
    const node = toNode(resource, object, true);
    const before = this.#graph.put(node);
    if (node.owners.length > 0 || node.foreground || node.orphaning) this.#loop.add(node.uid);
    this.#wakeOwners(before);
  }

  remove(resource: Resource, object: KubeObject): void {
    if (IGNORED.has(resource.plural)) return;
    const { uid = "" } = object.metadata;
    this.#gone.add(uid);
    if (this.#gone.size > REMEMBERED_GONE) for (const oldest of this.#gone.values().take(1)) this.#gone.delete(oldest);
    this.#forget(uid);
  }

  /** What a read has told, unless the watch has told of its end already. */
  #take(resource: Resource, object: KubeObject): Node {
    const { uid = "" } = object.metadata;
    const node = toNode(resource, object, this.#graph.get(uid)?.observed === true);
    if (!this.#gone.has(uid)) this.#graph.put(node);
    return node;
  }

  #forget(uid: string): void {
    const before = this.#graph.remove(uid);
    for (const dependent of this.#graph.dependents(uid)) this.#loop.add(dependent.uid);
    this.#wakeOwners(before);
  }

  /** Owners that may have waited for this object as it was before. */
  #wakeOwners(before: Node | undefined): void {
    for (const owner of before?.owners ?? []) if (this.#graph.get(owner.uid)?.foreground) this.#loop.add(owner.uid);
  }

  async #pass(uid: string): Promise<number | void> {
    const known = this.#graph.get(uid);
    if (known === undefined) return;
    const live = await this.#cluster.get(known);
    if (live?.metadata.uid !== uid) return this.#forget(uid);
    const node = this.#take(known.resource, live);
    if (node.orphaning) return this.#orphan(node);
    if (node.foreground) return this.#completeForeground(node);
    if (!node.deleting && node.owners.length > 0) return this.#collect(node, live);
  }

  /** Deletes the object if nobody owns it any more, or drops the references that lead nowhere. */
  async #collect(node: Node, live: KubeObject): Promise<number | void> {
    const unresolvable = this.#namespacedOwner(node);
    if (unresolvable !== undefined) return this.#keep(node, unresolvable);
    const owners = await this.#classify(node);
    const lost = [...owners.dangling, ...owners.waiting];
    if (lost.length === 0) return owners.observed ? undefined : RECHECK_MS;
    if (owners.solid.length > 0) return this.#dropOwners(node, new Set(lost.map((owner) => owner.uid)));
    const { uid } = node;
    let { resourceVersion } = live.metadata;
    let propagation = policyOf(live);
    if (owners.waiting.length > 0 && this.#graph.dependents(uid).length > 0) {
      propagation = "Foreground";
      // A circle of owners that wait for each other: somebody has to let go.
      if (this.#graph.dependents(uid).some((dependent) => dependent.foreground)) {
        resourceVersion = await this.#unblock(node);
      }
    }
    // Tied to the state in which its owners were looked up: a new owner in the meantime saves it.
    const outcome = await this.#cluster.delete(node, { uid, resourceVersion, propagation });
    if (outcome === "changed") this.#loop.add(uid);
    const { resource, namespace, name } = node;
    if (outcome === "deleted")
      this.#deps.log.info({ kind: resource.kind, namespace, name }, "deleted: its owners are gone");
  }

  /** A cluster-scoped object cannot be owned from inside a namespace: there is no telling which one is meant. */
  #namespacedOwner({ namespace, owners }: Node): OwnerReference | undefined {
    if (namespace !== "") return undefined;
    return owners.find((owner) => findKind(this.#cluster, groupOf(owner.apiVersion), owner.kind)?.namespaced === true);
  }

  /** As Kubernetes does since 1.20: what cannot be resolved is never collected, whatever the other owners are. */
  async #keep(node: Node, owner: OwnerReference): Promise<void> {
    const why = "a cluster-scoped object names an owner of a namespaced kind: it is never collected";
    this.#deps.log.warn({ kind: node.resource.kind, name: node.name }, why);
    await reportInvalidOwner(this.#cluster, this.#deps.clock, node, owner);
  }

  async #classify(node: Node): Promise<Owners> {
    const owners: Record<State, OwnerReference[]> = { solid: [], dangling: [], waiting: [] };
    for (const owner of node.owners) owners[await this.#stateOf(owner, node)].push(owner);
    return { ...owners, observed: node.owners.every(({ uid }) => this.#graph.get(uid)?.observed === true) };
  }

  async #stateOf(owner: OwnerReference, dependent: Node): Promise<State> {
    const known = this.#graph.get(owner.uid);
    if (known?.observed === true && isMeant(known, owner, dependent)) return known.foreground ? "waiting" : "solid";
    if (known?.observed === true && known.resource.namespaced && known.namespace !== dependent.namespace) {
      await reportInvalidOwner(this.#cluster, this.#deps.clock, dependent, owner);
    }
    const resource = findKind(this.#cluster, groupOf(owner.apiVersion), owner.kind);
    if (resource === undefined) {
      if (this.#gone.has(owner.uid)) return "dangling";
      throw new Error(
        `cannot tell whether the owner ${owner.kind} ${owner.name} (${owner.apiVersion}) is there: the kind is not served`,
      );
    }
    const namespace = resource.namespaced ? dependent.namespace : "";
    const live = await this.#cluster.get({ resource, namespace, name: owner.name });
    if (live?.metadata.uid !== owner.uid) return "dangling";
    return this.#take(resource, live).foreground ? "waiting" : "solid";
  }

  async #dropOwners(node: Node, uids: ReadonlySet<string>): Promise<void> {
    await this.#cluster.update(node, {
      uid: node.uid,
      change(live) {
        const left = (live.metadata.ownerReferences ?? []).filter((owner) => !uids.has(owner.uid));
        if (left.length > 0) live.metadata.ownerReferences = left;
        else delete live.metadata.ownerReferences;
        return live;
      },
    });
  }

  /** Returns the resourceVersion then, unless the owners are others by now: "0" is no object's. */
  async #unblock(node: Node): Promise<string> {
    const uids = (owners: readonly OwnerReference[]) => owners.map((owner) => owner.uid).join();
    await this.#cluster.update(node, {
      uid: node.uid,
      change(live) {
        const owners = live.metadata.ownerReferences ?? [];
        live.metadata.ownerReferences = owners.map((owner) => ({ ...owner, blockOwnerDeletion: false }));
        return live;
      },
    });
    const { ownerReferences = [], resourceVersion = "0" } = (await this.#cluster.get(node))?.metadata ?? {};
    return uids(ownerReferences) === uids(node.owners) ? resourceVersion : "0";
  }

  /** Lets the object go when nothing blocks it; until then its dependents are seen to. */
  async #completeForeground(node: Node): Promise<number | void> {
    const blocking = () => this.#graph.dependents(node.uid).filter((dependent) => blocks(dependent, node));
    if (blocking().length === 0) await this.#readDependents(node);
    const dependents = this.#graph.dependents(node.uid);
    for (const { uid, deleting, observed } of dependents) if (!deleting || !observed) this.#loop.add(uid);
    if (blocking().length === 0) return this.#removeFinalizer(node, FOREGROUND);
    return dependents.every(({ observed }) => observed) ? undefined : RECHECK_MS;
  }

  async #orphan(node: Node): Promise<void> {
    await this.#readDependents(node);
    for (const dependent of this.#graph.dependents(node.uid)) await this.#dropOwners(dependent, new Set([node.uid]));
    await this.#removeFinalizer(node, ORPHAN);
  }

  /** Takes every dependent in the store into the graph: the watches may not have told of the youngest yet. */
  async #readDependents(node: Node): Promise<void> {
    for (const resource of this.#cluster.resources()) {
      if (IGNORED.has(resource.plural)) continue;
      for (const object of await this.#cluster.list(resource)) {
        if (object.metadata.ownerReferences?.some((owner) => owner.uid === node.uid)) this.#take(resource, object);
      }
    }
  }

  async #removeFinalizer(node: Node, finalizer: string): Promise<void> {
    await this.#cluster.update(node, {
      uid: node.uid,
      change(live) {
        live.metadata.finalizers = (live.metadata.finalizers ?? []).filter((one) => one !== finalizer);
        return live;
      },
    });
  }
}

const groupOf = (apiVersion: string): string => (apiVersion.includes("/") ? (apiVersion.split("/", 1)[0] ?? "") : "");

/** Whether the object with this uid is the one that the reference describes: same kind and name, and in reach. */
function isMeant(owner: Node, reference: OwnerReference, dependent: Node): boolean {
  const { group, kind, namespaced } = owner.resource;
  if (group !== groupOf(reference.apiVersion) || kind !== reference.kind || owner.name !== reference.name) return false;
  return !namespaced || (dependent.namespace !== "" && owner.namespace === dependent.namespace);
}

/** What the object's own finalizers ask for; else its dependents follow in the background. */
function policyOf(live: KubeObject): Propagation {
  const finalizers = live.metadata.finalizers ?? [];
  if (finalizers.includes(ORPHAN)) return "Orphan";
  return finalizers.includes(FOREGROUND) ? "Foreground" : "Background";
}
