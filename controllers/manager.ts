import { Reflector, type Sight } from "../client/reflector.ts";
import { type ApiObject, resourceName } from "../client/api-object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import type { RestClient, Selection } from "../client/rest.ts";
import type { Cache } from "../client/store.ts";
import type { BackoffPolicy } from "../machinery/backoff.ts";
import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { Random } from "../machinery/random.ts";
import type { Reconcile, Request } from "../machinery/result.ts";
import { Controller } from "./controller.ts";
import type { Reflectors, Source } from "./source.ts";

export interface ManagerOptions {
  readonly client: Pick<RestClient, "list" | "watch">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Passed on to every reflector. */
  readonly silenceMs?: number;
}

/** One controller: what wakes it, what it does. */
export interface ControllerSpec {
  readonly name: string;
  readonly sources: readonly Source[];
  readonly reconcile: Reconcile;
  readonly concurrency?: number;
  readonly passTimeoutMs?: number;
  readonly backoff?: BackoffPolicy;
}

/** What one reflector sees, for health answers. */
export interface ReflectorHealth {
  readonly resource: string;
  readonly hasListed: boolean;
  readonly sight: Sight;
}

/**
 * Runs controllers over shared caches. A manager serves one run: controllers and caches of the next leader's term are
 * new ones, so that nothing of an old term is believed.
 */
export class Manager implements Reflectors {
  readonly #options: ManagerOptions;
  readonly #reflectors = new Map<string, Reflector<ApiObject>>();
  readonly #controllers: Controller[] = [];
  #running = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** The shared reflector; it lists and watches once `run` is called. */
  reflector<T extends ApiObject>(type: ResourceType<T>, selection: Selection = {}): Reflector<T> {
    const { namespace = "", labelSelector = "", fieldSelector = "" } = selection;
    const key = [resourceName(type), type.version, namespace, labelSelector, fieldSelector].join("|");
    const known = this.#reflectors.get(key);
    // The key holds the type's name: the same name is the same type.
    if (known !== undefined) return known as unknown as Reflector<T>;
    if (this.#running) throw new TypeError(`${resourceName(type)}: reflectors are asked for before the manager runs`);
    const reflector = new Reflector<T>({ ...this.#options, ...selection, type });
    this.#reflectors.set(key, reflector as unknown as Reflector<ApiObject>);
    return reflector;
  }

  cache<T extends ApiObject>(type: ResourceType<T>, selection?: Selection): Cache<T> {
    return this.reflector(type, selection).cache;
  }

  /** Answers with a function that wakes the controller from outside its sources. */
  add(spec: ControllerSpec): (request: Request) => void {
    const { sources, ...rest } = spec;
    const { clock, random, log } = this.#options;
    const controller = new Controller({ ...rest, clock, random, log });
    this.#controllers.push(controller);
    const enqueue = (request: Request) => controller.enqueue(request);
    for (const source of sources) source(this, enqueue);
    return enqueue;
  }

  health(): ReflectorHealth[] {
    return [...this.#reflectors].map(([key, { hasListed, sight }]) => ({
      resource: key.split("|")[0] ?? key,
      hasListed,
      sight,
    }));
  }

  /**
   * Lists and watches, then starts the controllers once every cache is whole, and stops them when the signal fires:
   * running passes end first, the caches live until then. Never rejects.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true;
    const cut = new AbortController();
    const watching = [...this.#reflectors.values()].map((reflector) => reflector.run(cut.signal));
    const listed = Promise.all([...this.#reflectors.values()].map((reflector) => reflector.whenListed()));
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([listed, stopped]);
    if (!signal.aborted) for (const controller of this.#controllers) controller.start();
    await stopped;
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    cut.abort(new Error("the manager stops"));
    await Promise.all(watching);
  }
}
