import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { API_REGISTRATION_GROUP, type ApiService } from "../builtin/kinds/api-service.ts";
import { jsonEqual } from "../objects/equal.ts";
import { isCrdKind } from "../registry/crd-kind.ts";
import { isEstablished } from "../registry/crd-status.ts";
import type { CustomResourceDefinition } from "../registry/custom-resources.ts";
import type { Registry } from "../registry/registry.ts";
import type { Resource } from "../registry/types.ts";
import { compareVersions } from "../registry/version-order.ts";
import { builtin, type Cluster, placeOf } from "./cluster.ts";
import { Loop, type LoopDeps } from "./loop.ts";
import type { FeedSubscriber } from "./object-feed.ts";

/** kube-aggregator's label: `onstart` for what is built in, `true` for what follows the definitions. */
const MANAGED = "kube-aggregator.kubernetes.io/automanaged";
type Managed = "onstart" | "true";

const ALL = "all";
/** Where kube-apiserver ranks its own groups; the others follow by name, custom ones last (1000). */
const CORE_PRIORITY = 18_000;
const BUILTIN_PRIORITY = 17_800;
const CUSTOM_PRIORITY = 1000;
/** Of the most stable version of a group. */
const VERSION_PRIORITY = 100;

/**
 * Keeps one APIService for each group-version that is served, as tools look for them. What follows the definitions is
 * judged by those in the store, so that several servers come to the same list; built-in ones that an older Ferrite had
 * go at the first pass of a process.
 */
export class ApiServiceRegistration implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #registry: Registry;
  readonly #deps: LoopDeps;
  readonly #loop: Loop;
  #first = true;

  constructor(cluster: Cluster, deps: LoopDeps, registry: Registry) {
    this.#cluster = cluster;
    this.#registry = registry;
    this.#deps = deps;
    this.#loop = new Loop("api-services", deps, () => this.#pass());
    this.#loop.add(ALL);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource): void {
    if (isCrdKind(resource) || resource.group === API_REGISTRATION_GROUP) this.#loop.add(ALL);
  }

  remove(resource: Resource, _object: KubeObject): void {
    this.put(resource);
  }

  async #pass(): Promise<void> {
    const resource = builtin(this.#cluster, API_REGISTRATION_GROUP, "APIService");
    const definitions = builtin(this.#cluster, "apiextensions.k8s.io", "CustomResourceDefinition");
    // In this order: what is registered and has no definition now had none when this began, or has lost it since.
    const registered = (await this.#cluster.list(resource)) as readonly ApiService[];
    const crds = (await this.#cluster.list(definitions)) as readonly CustomResourceDefinition[];
    const wanted = wantedServices(this.#registry, crds);
    const known = new Map(registered.map((service) => [service.metadata.name, service]));
    for (const [name, service] of wanted) await this.#ensure(resource, service, known.get(name));
    for (const service of registered) {
      const { name = "", uid = "", resourceVersion, labels } = service.metadata;
      const goes = labels?.[MANAGED] === "true" || this.#first;
      if (goes && !wanted.has(name)) await this.#cluster.delete(placeOf(resource, service), { uid, resourceVersion });
    }
    this.#first = false;
  }

  async #ensure(resource: Resource, wanted: ApiService, live: ApiService | undefined): Promise<void> {
    if (live === undefined) {
      await this.#cluster.create(resource, withStatus(wanted, formatTime(this.#deps.clock.now())));
    } else if (this.#first && !jsonEqual(live.spec, wanted.spec)) {
      await this.#cluster.update(placeOf(resource, live), { change: (now) => ({ ...now, spec: wanted.spec }) });
    }
  }
}

function wantedServices(registry: Registry, crds: readonly CustomResourceDefinition[]): Map<string, ApiService> {
  // As in Kubernetes, the list does not list itself.
  const builtins = [...registry.all().filter((each) => each.builtin), ...registry.virtual()].filter(
    ({ group }) => group !== API_REGISTRATION_GROUP,
  );
  const custom = crds
    .filter((crd) => isEstablished(crd))
    .flatMap(({ spec }) =>
      spec.versions.filter(({ served }) => served).map(({ name }) => ({ group: spec.group, version: name })),
    );
  // Built-in groups last: a definition in one of them adds nothing to it.
  return new Map([...servicesOf(custom, "true"), ...servicesOf(builtins, "onstart")]);
}

interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

function servicesOf(all: readonly GroupVersion[], managed: Managed): [string, ApiService][] {
  const groups = [...new Set(all.map(({ group }) => group))].sort();
  return groups.flatMap((group, rank) => {
    const versions = [...new Set(all.filter((each) => each.group === group).map(({ version }) => version))];
    return versions.sort(compareVersions).map((version, behind): [string, ApiService] => {
      const spec = {
        ...(group === "" ? {} : { group }),
        version,
        groupPriorityMinimum: groupPriority(group, rank, managed),
        versionPriority: VERSION_PRIORITY - behind,
      };
      const name = `${version}.${group}`;
      const metadata = { name, labels: { [MANAGED]: managed } };
      return [name, { apiVersion: `${API_REGISTRATION_GROUP}/v1`, kind: "APIService", metadata, spec }];
    });
  });
}

function groupPriority(group: string, rank: number, managed: Managed): number {
  if (managed === "true") return CUSTOM_PRIORITY;
  return group === "" ? CORE_PRIORITY : BUILTIN_PRIORITY - rank * 100;
}

const withStatus = (service: ApiService, now: string): ApiService => ({
  ...service,
  status: {
    conditions: [
      {
        type: "Available",
        status: "True",
        reason: "Local",
        message: "Local APIServices are always available",
        lastTransitionTime: now,
      },
    ],
  },
});
