import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { Random } from "../machinery/random.ts";
import type { Resource } from "./registry/types.ts";
import { ResourceCache } from "./storage/cache.ts";
import { RevisionSource } from "./storage/revision-source.ts";
import type { Storage } from "./storage/types.ts";

export interface CachesOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** One cache for each kind of objects, whatever version they are asked for in; made when it is first needed. */
export class Caches {
  readonly #options: CachesOptions;
  readonly #revisions: RevisionSource;
  readonly #byPrefix = new Map<string, ResourceCache>();

  constructor(options: CachesOptions) {
    this.#options = options;
    this.#revisions = new RevisionSource(options.storage);
  }

  /** The cache of a resource, with something in it. Throws CacheBehindError while the store does not answer. */
  async of(resource: Pick<Resource, "storagePrefix">): Promise<ResourceCache> {
    const cache = this.#find(resource.storagePrefix);
    await cache.ready();
    return cache;
  }

  /** The cache when it is there and filled: for those who could ask the store just as well. */
  peek({ storagePrefix }: Pick<Resource, "storagePrefix">): ResourceCache | undefined {
    const cache = this.#find(storagePrefix);
    return cache.revision > 0 ? cache : undefined;
  }

  /** How many objects of a resource memory holds; `undefined`: nobody has asked for them yet. */
  count({ storagePrefix }: Pick<Resource, "storagePrefix">): number | undefined {
    const cache = this.#byPrefix.get(storagePrefix);
    if (cache === undefined || cache.revision === 0) return undefined;
    const { items, remaining } = cache.list(undefined, { limit: 1 });
    return items.length + remaining;
  }

  #find(storagePrefix: string): ResourceCache {
    const known = this.#byPrefix.get(storagePrefix);
    if (known !== undefined) return known;
    const cache = new ResourceCache({ ...this.#options, prefix: `${storagePrefix}/`, revisions: this.#revisions });
    this.#byPrefix.set(storagePrefix, cache);
    cache.start();
    return cache;
  }

  /** Ends the watches of a kind that is gone. */
  async drop(storagePrefix: string): Promise<void> {
    const cache = this.#byPrefix.get(storagePrefix);
    this.#byPrefix.delete(storagePrefix);
    await cache?.stop();
  }

  /** The store's revision now. */
  currentRevision(): Promise<number> {
    return this.#revisions.read();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#byPrefix.keys()].map((prefix) => this.drop(prefix)));
  }
}
