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
import type { Enqueue, Reflectors, Source } from "./source.ts";

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

/** Where a controller is put together: its caches, and the controller itself. */
export interface Registrar extends Reflectors {
  cache<T extends ApiObject>(type: ResourceType<T>, selection?: Selection): Cache<T>;
  /** Answers with a function that wakes the controller from outside its sources. */
  add(spec: ControllerSpec): (request: Request) => void;
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
export class Manager implements Registrar {
  readonly #options: ManagerOptions;
  readonly #reflectors = new Map<string, Reflector<ApiObject>>();
  readonly #controllers: Registered[] = [];
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

  /** Starts when every cache of the manager is whole. */
  add(spec: ControllerSpec): (request: Request) => void {
    return this.#register(spec, this, () => this.#reflectors.values());
  }

  /**
   * For controllers that need not wait for each other: what is added here starts when the caches that were asked for
   * here are whole. A kind that the API does not serve yet holds up nobody else.
   */
  scope(): Registrar {
    const needed = new Set<Reflector<ApiObject>>();
    const scope: Registrar = {
      reflector: (type, selection) => {
        const reflector = this.reflector(type, selection);
        needed.add(reflector as unknown as Reflector<ApiObject>);
        return reflector;
      },
      cache: (type, selection) => scope.reflector(type, selection).cache,
      add: (spec) => this.#register(spec, scope, () => needed),
    };
    return scope;
  }

  #register(spec: ControllerSpec, reflectors: Reflectors, needs: Registered["needs"]): (request: Request) => void {
    const { sources, ...rest } = spec;
    const { clock, random, log } = this.#options;
    const controller = new Controller({ ...rest, clock, random, log });
    this.#controllers.push({ controller, needs });
    const enqueue: Enqueue = (request, afterMs) => controller.enqueue(request, afterMs);
    for (const source of sources) source(reflectors, enqueue);
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
   * Lists and watches, starts each controller once its caches are whole, and stops them all when the signal fires:
   * running passes end first, the caches live until then. Never rejects.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true;
    const cut = new AbortController();
    const watching = [...this.#reflectors.values()].map((reflector) => reflector.run(cut.signal));
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    const started = this.#controllers.map(async ({ controller, needs }) => {
      const listed = Promise.all([...needs()].map((reflector) => reflector.whenListed()));
      await Promise.race([listed, stopped]);
      if (!signal.aborted) controller.start();
    });
    await stopped;
    await Promise.all(started);
    await Promise.all(this.#controllers.map(({ controller }) => controller.stop()));
    cut.abort(new Error("the manager stops"));
    await Promise.all(watching);
  }
}

interface Registered {
  readonly controller: Controller;
  /** The caches that must be whole before it starts; read when the manager runs. */
  readonly needs: () => Iterable<Reflector<ApiObject>>;
}
