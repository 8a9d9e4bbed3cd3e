import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { followStorage } from "../storage-follower.ts";
import type { Storage, Stored } from "../storage/types.ts";
import { isEstablished } from "./crd-status.ts";
import { type CustomResourceDefinition, customResources } from "./custom-resources.ts";
import type { Registry } from "./registry.ts";

const PREFIX = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/**
 * Keeps the registry equal to the definitions in the store, whoever writes them: this server, another one, a restore.
 * `apply` is also called right after a write, so that a definition is served when the answer comes.
 */
export class CrdFollower {
  readonly #options: {
    readonly storage: Storage;
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  };
  /** Revision up to which each definition has been taken in: late events must not undo a newer write. */
  readonly #seen = new Map<string, number>();

  constructor(options: { storage: Storage; registry: Registry; clock: Clock; log: Logger }) {
    this.#options = options;
  }

  /** Resolves when all definitions that are there now are served; follows until `signal` aborts. */
  start(signal: AbortSignal): Promise<{ readonly done: Promise<void> }> {
    const { storage, clock, log } = this.#options;
    return followStorage(
      {
        storage,
        clock,
        log,
        prefix: PREFIX,
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
    this.#options.registry.setCustom(name, isEstablished(crd) ? customResources(crd) : []);
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
    this.#options.registry.setCustom(name, []);
  }
}
