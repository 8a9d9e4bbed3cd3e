import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Caches } from "../caches.ts";
import { followStorage } from "../storage-follower.ts";
import type { Stored } from "../storage/types.ts";
import { isEstablished } from "./crd-status.ts";
import { crdStoragePrefix, type CustomResourceDefinition, customResources } from "./custom-resources.ts";
import type { Registry } from "./registry.ts";

const PREFIX = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/**
 * Keeps the registry equal to the definitions in the store, whoever writes them: this server, another one, a restore.
 * `apply` is also called right after a write, so that a definition is served when the answer comes.
 */
export class CrdFollower {
  readonly #options: {
    readonly caches: Caches;
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  };
  /** Told of each definition as it is taken in, and of each that has gone. */
  onChange: (crd: CustomResourceDefinition) => void = () => {};
  onGone: (storagePrefix: string) => void = () => {};
  /** Revision up to which each definition has been taken in: late events must not undo a newer write. */
  readonly #seen = new Map<string, number>();

  /** What is served of each definition: a change of its status alone serves nothing new. */
  readonly #specs = new Map<string, string>();
  readonly #prefixes = new Map<string, string>();

  constructor(options: { caches: Caches; registry: Registry; clock: Clock; log: Logger }) {
    this.#options = options;
  }

  /** Resolves when all definitions that are there now are served; follows until `signal` aborts. */
  start(signal: AbortSignal): Promise<{ readonly done: Promise<void> }> {
    const { caches, clock, log } = this.#options;
    return followStorage(
      {
        caches,
        clock,
        log,
        storagePrefix: PREFIX.slice(0, -1),
        onList: (items, revision) => this.#replace(items, revision),
        onEvent: ({ type, stored }) => (type === "put" ? this.#put(stored) : this.#remove(stored.key, stored.revision)),
      },
      signal,
    );
  }

  /** Serves a definition as it stands, unless a later state is known already. */
  apply(crd: CustomResourceDefinition): void {
    const { name = "", resourceVersion = "0" } = crd.metadata;
    const revision = Number(resourceVersion);
    if (revision <= (this.#seen.get(name) ?? 0)) return;
    this.#seen.set(name, revision);
    this.#prefixes.set(name, crdStoragePrefix(crd));
    if (this.#specs.get(name) !== servedForm(crd)) {
      this.#specs.set(name, servedForm(crd));
      this.#options.registry.setCustom(name, isEstablished(crd) ? customResources(crd) : []);
    }
    this.onChange(crd);
  }

  #replace(items: readonly Stored[], revision: number): void {
    const there = new Set(items.map(({ key }) => key));
    for (const name of this.#seen.keys()) if (!there.has(PREFIX + name)) this.#remove(PREFIX + name, revision);
    for (const stored of items) this.#put(stored);
  }

  #put(stored: Stored): void {
    try {
      this.apply(stored.object as CustomResourceDefinition);
    } catch (error) {
      this.#options.log.error({ err: error, key: stored.key }, "cannot serve a definition");
    }
  }

  #remove(key: string, revision: number): void {
    const name = key.slice(PREFIX.length);
    if (revision <= (this.#seen.get(name) ?? 0)) return;
    this.#seen.set(name, revision);
    this.#specs.delete(name);
    this.#options.registry.setCustom(name, []);
    const prefix = this.#prefixes.get(name);
    this.#prefixes.delete(name);
    if (prefix !== undefined) this.onGone(prefix);
  }
}

/** All of a definition that decides on what is served. */
const servedForm = (crd: CustomResourceDefinition): string =>
  JSON.stringify([crd.spec, isEstablished(crd), crd.metadata.deletionTimestamp !== undefined]);
