import type { KubeObject } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";
import { qualifiedResource } from "../status.ts";
import { builtin, type Cluster, type Place, placeOf } from "./cluster.ts";
import { type PlainCondition, withConditions } from "./condition.ts";
import { Loop, type LoopDeps } from "./loop.ts";
import type { FeedSubscriber } from "./object-feed.ts";

const FINALIZER = "kubernetes";
/** A create that passed the check before the namespace was marked may still be on its way: an empty namespace is looked at again after this. */
const SECOND_LOOK_MS = 500;
const WAIT_MS = 5_000;

interface NamespaceObject extends KubeObject {
  spec?: { finalizers?: string[] };
  status?: { phase?: string; conditions?: PlainCondition[] };
}

/** What is left in a namespace after everything has been told to go. */
export interface Remains {
  /** `volumes.ferrite.dev` -> objects left. */
  readonly counts: ReadonlyMap<string, number>;
  /** Finalizer -> objects that it holds. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Deletions that were refused. */
  readonly failures: readonly string[];
}

/** Empties namespaces that are being deleted, says in their conditions what holds them up, and lets them go. */
export class NamespaceTermination implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #deps: LoopDeps;
  readonly #loop: Loop;
  readonly #terminating = new Set<string>();
  /** uid -> when the namespace was found empty first, on the monotonic clock. */
  readonly #emptySinceMs = new Map<string, number>();

  constructor(cluster: Cluster, deps: LoopDeps) {
    this.#cluster = cluster;
    this.#deps = deps;
    this.#loop = new Loop("namespace-termination", deps, (name) => this.#pass(name));
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource, { metadata }: KubeObject): void {
    if (!isNamespace(resource) || metadata.deletionTimestamp === undefined) return;
    this.#terminating.add(metadata.name ?? "");
    this.#loop.add(metadata.name ?? "");
  }

  remove(resource: Resource, { metadata }: KubeObject): void {
    if (isNamespace(resource)) this.#terminating.delete(metadata.name ?? "");
    else if (metadata.namespace !== undefined && this.#terminating.has(metadata.namespace))
      this.#loop.add(metadata.namespace);
  }

  async #pass(name: string): Promise<number | void> {
    const place: Place = { resource: builtin(this.#cluster, "", "Namespace"), namespace: "", name };
    const namespace: NamespaceObject | undefined = await this.#cluster.get(place);
    const { deletionTimestamp, uid = "" } = namespace?.metadata ?? {};
    if (deletionTimestamp === undefined || !namespace?.spec?.finalizers?.includes(FINALIZER)) return;
    const remains = await this.#clear(name);
    if (remains.counts.size > 0 || remains.failures.length > 0) {
      this.#emptySinceMs.delete(uid);
      await this.#report(place, uid, remains);
      return WAIT_MS;
    }
    const nowMs = this.#deps.clock.monotonicMs();
    const sinceMs = this.#emptySinceMs.get(uid) ?? nowMs;
    this.#emptySinceMs.set(uid, sinceMs);
    const leftMs = sinceMs + SECOND_LOOK_MS - nowMs;
    if (leftMs > 0) return leftMs;
    await this.#finalize(place, uid);
    this.#emptySinceMs.delete(uid);
  }

  /** Tells everything in the namespace to go; answers with what is still there. */
  async #clear(namespace: string): Promise<Remains> {
    const counts = new Map<string, number>();
    const finalizers = new Map<string, number>();
    const failures: string[] = [];
    for (const resource of this.#cluster.resources().filter((one) => one.namespaced)) {
      const objects = await this.#cluster.list(resource, namespace);
      for (const object of objects) failures.push(...(await this.#remove(resource, object)));
      const left = objects.length === 0 ? [] : await this.#cluster.list(resource, namespace);
      if (left.length > 0) counts.set(qualifiedResource(resource), left.length);
      for (const finalizer of left.flatMap((object) => object.metadata.finalizers ?? [])) {
        finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
      }
    }
    return { counts, finalizers, failures };
  }

  async #remove(resource: Resource, object: KubeObject): Promise<readonly string[]> {
    const { uid = "", name = "", deletionTimestamp } = object.metadata;
    if (deletionTimestamp !== undefined) return [];
    try {
      await this.#cluster.delete(placeOf(resource, object), { uid, propagation: "Background" });
      return [];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return [`${qualifiedResource(resource)} "${name}": ${why}`];
    }
  }

  async #report(place: Place, uid: string, remains: Remains): Promise<void> {
    await this.#cluster.update(place, {
      uid,
      subresource: "status",
      change: (live: NamespaceObject) => {
        live.status = {
          ...live.status,
          conditions: withConditions(live.status?.conditions, conditionsOf(remains), this.#deps.clock),
        };
        return live;
      },
    });
  }

  async #finalize(place: Place, uid: string): Promise<void> {
    await this.#cluster.update(place, {
      uid,
      subresource: "finalize",
      change(live: NamespaceObject) {
        live.spec = { ...live.spec, finalizers: (live.spec?.finalizers ?? []).filter((one) => one !== FINALIZER) };
        return live;
      },
    });
    this.#deps.log.info({ namespace: place.name }, "namespace is empty and goes");
  }
}

const isNamespace = (resource: Resource): boolean => resource.group === "" && resource.plural === "namespaces";

/** The conditions of Kubernetes' namespace controller, in its words. */
export function conditionsOf({
  counts,
  finalizers,
  failures,
}: Remains): readonly Omit<PlainCondition, "lastTransitionTime">[] {
  const list = (map: ReadonlyMap<string, number>, text: (name: string, count: number) => string) =>
    [...map]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => text(name, count))
      .join(", ");
  const set = (
    type: string,
    bad: boolean,
    badReason: string,
    badMessage: string,
    goodReason: string,
    goodMessage: string,
  ) => ({
    type,
    status: bad ? "True" : "False",
    reason: bad ? badReason : goodReason,
    message: bad ? badMessage : goodMessage,
  });
  const resources = list(counts, (name, count) => `${name} has ${count} resource instances`);
  const holders = list(finalizers, (name, count) => `${name} in ${count} resource instances`);
  return [
    set(
      "NamespaceDeletionDiscoveryFailure",
      false,
      "",
      "",
      "ResourcesDiscovered",
      "All resources successfully discovered",
    ),
    set(
      "NamespaceDeletionGroupVersionParsingFailure",
      false,
      "",
      "",
      "ParsedGroupVersions",
      "All legacy kube types successfully parsed",
    ),
    set(
      "NamespaceDeletionContentFailure",
      failures.length > 0,
      "ContentDeletionFailed",
      `Failed to delete all resource types, ${failures.length} remaining: ${failures.join("; ").slice(0, 1000)}`,
      "ContentDeleted",
      "All content successfully deleted, may be waiting on finalization",
    ),
    set(
      "NamespaceContentRemaining",
      counts.size > 0,
      "SomeResourcesRemain",
      `Some resources are remaining: ${resources}`,
      "ContentRemoved",
      "All content successfully removed",
    ),
    set(
      "NamespaceFinalizersRemaining",
      finalizers.size > 0,
      "SomeFinalizersRemain",
      `Some content in the namespace has finalizers remaining: ${holders}`,
      "ContentHasNoFinalizers",
      "All content-preserving finalizers finished",
    ),
  ];
}
