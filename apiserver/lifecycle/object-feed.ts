import { type Clock, sleep } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Caches } from "../caches.ts";
import type { Resource } from "../registry/types.ts";
import { followStorage } from "../storage-follower.ts";
import type { Stored } from "../storage/types.ts";
import { readApart } from "../storage/value.ts";
import type { Cluster } from "./cluster.ts";

/** Told of every object, once when it is first seen and at each change. Must not throw. */
export interface FeedSubscriber {
  put(resource: Resource, object: KubeObject): void;
  remove(resource: Resource, object: KubeObject): void;
}

/** How soon a new kind is followed. */
const RESCAN_MS = 500;

interface Followed {
  readonly resource: Resource;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** What is there, by key, reduced to what a subscriber needs to know of something that is gone. */
  readonly seen: Map<string, KubeObject>;
}

/** Follows every kind in the store, also those that come later, and tells its subscribers. */
export class ObjectFeed {
  readonly #options: {
    readonly cluster: Cluster;
    readonly caches: Caches;
    readonly clock: Clock;
    readonly log: Logger;
  };
  readonly #subscribers: FeedSubscriber[] = [];
  readonly #followed = new Map<string, Followed>();

  constructor(options: { cluster: Cluster; caches: Caches; clock: Clock; log: Logger }) {
    this.#options = options;
  }

  subscribe(subscriber: FeedSubscriber): void {
    this.#subscribers.push(subscriber);
  }

  /** Resolves when everything that is in the store has been told; then goes on until `signal` aborts. */
  async start(signal: AbortSignal): Promise<{ readonly done: Promise<void> }> {
    await this.#rescan(signal);
    return { done: this.#keepUp(signal) };
  }

  async #keepUp(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      try {
        await sleep(clock, RESCAN_MS, signal);
      } catch {
        break;
      }
      await this.#rescan(signal).catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, "a kind cannot be followed yet");
      });
    }
    const followed = [...this.#followed.values()];
    for (const { stop } of followed) stop.abort();
    await Promise.all(followed.map(({ done }) => done));
  }

  async #rescan(signal: AbortSignal): Promise<void> {
    const wanted = new Map(this.#options.cluster.resources().map((resource) => [resource.storagePrefix, resource]));
    for (const [prefix, followed] of this.#followed) if (!wanted.has(prefix)) this.#forget(prefix, followed);
    const added = [...wanted].filter(([prefix]) => !this.#followed.has(prefix));
    await Promise.all(added.map(([, resource]) => this.#follow(resource, signal)));
  }

  async #follow(resource: Resource, signal: AbortSignal): Promise<void> {
    const { caches, clock, log } = this.#options;
    const stop = new AbortController();
    const seen = new Map<string, KubeObject>();
    const { done } = await followStorage(
      {
        caches,
        clock,
        log,
        storagePrefix: resource.storagePrefix,
        onList: (items) => this.#replace(resource, seen, items),
        onEvent: ({ type, stored }) =>
          type === "put" ? this.#put(resource, seen, stored) : this.#remove(resource, seen, stored.key),
      },
      AbortSignal.any([signal, stop.signal]),
    );
    this.#followed.set(resource.storagePrefix, { resource, stop, done, seen });
  }

  #forget(prefix: string, { resource, stop, seen }: Followed): void {
    stop.abort();
    this.#followed.delete(prefix);
    for (const key of seen.keys()) this.#remove(resource, seen, key);
  }

  #replace(resource: Resource, seen: Map<string, KubeObject>, items: readonly Stored[]): void {
    const there = new Set(items.map(({ key }) => key));
    for (const key of seen.keys()) if (!there.has(key)) this.#remove(resource, seen, key);
    for (const stored of items) this.#put(resource, seen, stored);
  }

  #put(resource: Resource, seen: Map<string, KubeObject>, stored: Stored): void {
    const object = this.#read(stored);
    if (object === undefined) return;
    const before = seen.get(stored.key);
    // Deleted and made anew while nobody looked.
    if (before !== undefined && before.metadata.uid !== object.metadata.uid) this.#remove(resource, seen, stored.key);
    seen.set(stored.key, remembered(object));
    for (const subscriber of this.#subscribers) subscriber.put(resource, object);
  }

  #remove(resource: Resource, seen: Map<string, KubeObject>, key: string): void {
    const object = seen.get(key);
    if (object === undefined || !seen.delete(key)) return;
    for (const subscriber of this.#subscribers) subscriber.remove(resource, object);
  }

  /** One damaged value must not blind the loops to all others. */
  #read(stored: Stored): KubeObject | undefined {
    try {
      return readApart(stored);
    } catch (error) {
      this.#options.log.error({ err: error, key: stored.key }, "a stored object cannot be read");
      return undefined;
    }
  }
}

const remembered = ({ apiVersion, kind, metadata }: KubeObject): KubeObject => {
  const { managedFields: _, annotations: _annotations, ...rest } = metadata;
  return { apiVersion, kind, metadata: rest };
};
