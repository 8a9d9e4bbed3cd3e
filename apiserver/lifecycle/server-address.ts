import { formatMicroTime, sleep } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { jsonEqual } from "../objects/equal.ts";
import { type Address, formatAddress, parseAddress, publishedObjects } from "./api-endpoints.ts";
import { builtin, type Cluster, placeOf } from "./cluster.ts";
import { Loop, type LoopDeps } from "./loop.ts";

/** Also what Kubernetes marks the Leases of its API servers with. */
const IDENTITY_LABEL = "apiserver.kubernetes.io/identity";
const IDENTITY = "ferrite-server";
const ADDRESS_ANNOTATION = "ferrite.dev/address";
const LEASE_NAMESPACE = "kube-system";
/** Name of the Service, its Endpoints and its EndpointSlices. */
const SERVICE = { namespace: "default", name: "kubernetes" };
const SLICE_LABEL = "kubernetes.io/service-name";

const RENEW_MS = 20_000;
/** For taking the address back at the end: a store that does not answer must not keep the server from stopping. */
const FAREWELL_MS = 2000;
/** A server whose Lease stands still for so long, by our own clock, is dead. */
const DEAD_MS = 60_000;

interface Lease extends KubeObject {
  spec?: { renewTime?: string };
}

/**
 * Says where the API is found, as kube-apiserver does: a Lease of each server in kube-system, and from those that are
 * alive the Service `default/kubernetes` with Endpoints and EndpointSlices. Any server does it for all. A crash leaves
 * the address there until the others see the Lease stand still; the next start takes the Lease over.
 */
export class ServerAddress {
  readonly #cluster: Cluster;
  readonly #deps: LoopDeps;
  readonly #address: Address;
  readonly #loop: Loop;
  /** When the renewal that each Lease shows was first seen here: other machines' clocks may be wrong. */
  readonly #seen = new Map<string, { readonly renewTime: string; readonly sinceMs: number }>();

  constructor(cluster: Cluster, deps: LoopDeps, address: Address) {
    this.#cluster = cluster;
    this.#deps = deps;
    this.#address = address;
    this.#loop = new Loop("server-address", deps, () => this.#pass(), 1);
    this.#loop.add(formatAddress(address));
  }

  start(): void {
    this.#loop.start();
  }

  /** Takes this server off the list, if that can be done soon. */
  async stop(): Promise<void> {
    const timer = new AbortController();
    const late = sleep(this.#deps.clock, FAREWELL_MS, timer.signal).catch(() => {});
    await Promise.race([this.#withdraw(), late]);
    timer.abort();
  }

  async #withdraw(): Promise<void> {
    await this.#loop.stop();
    try {
      const own = await this.#cluster.get(this.#leasePlace());
      if (own !== undefined) await this.#cluster.delete(this.#leasePlace(), { uid: own.metadata.uid ?? "" });
      await this.#publish(await this.#alive());
    } catch (error) {
      this.#deps.log.warn({ err: error }, "cannot take this server's address back; the other servers will");
    }
  }

  async #pass(): Promise<number> {
    await this.#renew();
    await this.#publish(await this.#alive());
    return RENEW_MS;
  }

  #leasePlace() {
    const name = `${IDENTITY}-${formatAddress(this.#address)
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replace(/^-/, "")}`;
    return { resource: builtin(this.#cluster, "coordination.k8s.io", "Lease"), namespace: LEASE_NAMESPACE, name };
  }

  async #renew(): Promise<void> {
    const place = this.#leasePlace();
    const spec = {
      holderIdentity: place.name,
      leaseDurationSeconds: DEAD_MS / 1000,
      renewTime: formatMicroTime(this.#deps.clock.now()),
    };
    const outcome = await this.#cluster.update(place, { change: (live) => ({ ...live, spec }) });
    if (outcome === "written") return;
    await this.#cluster.create(place.resource, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        namespace: place.namespace,
        name: place.name,
        labels: { [IDENTITY_LABEL]: IDENTITY },
        annotations: { [ADDRESS_ANNOTATION]: formatAddress(this.#address) },
      },
      spec,
    });
  }

  /** Addresses of the servers that renew their Leases; the Leases of others are deleted. */
  async #alive(): Promise<readonly Address[]> {
    const { resource } = this.#leasePlace();
    const leases = (await this.#cluster.list(resource, LEASE_NAMESPACE)) as readonly Lease[];
    const servers = leases.filter(({ metadata }) => metadata.labels?.[IDENTITY_LABEL] === IDENTITY);
    const alive: Address[] = [];
    for (const lease of servers) {
      const address = parseAddress(lease.metadata.annotations?.[ADDRESS_ANNOTATION] ?? "");
      if (address !== undefined && !this.#isDead(lease)) alive.push(address);
      else {
        const { uid = "", resourceVersion } = lease.metadata;
        await this.#cluster.delete(placeOf(resource, lease), { uid, resourceVersion });
      }
    }
    return alive;
  }

  #isDead({ metadata: { name = "" }, spec }: Lease): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    const renewTime = spec?.renewTime ?? "";
    const before = this.#seen.get(name);
    if (before?.renewTime === renewTime) return nowMs - before.sinceMs >= DEAD_MS;
    this.#seen.set(name, { renewTime, sinceMs: nowMs });
    return false;
  }

  async #publish(servers: readonly Address[]): Promise<void> {
    const wanted = publishedObjects(SERVICE, servers);
    const slices = new Set(wanted.filter(({ kind }) => kind === "EndpointSlice").map(({ metadata }) => metadata.name));
    for (const object of wanted) await this.#ensure(object);
    const resource = builtin(this.#cluster, "discovery.k8s.io", "EndpointSlice");
    for (const slice of await this.#cluster.list(resource, SERVICE.namespace)) {
      const { name, uid = "", labels } = slice.metadata;
      if (labels?.[SLICE_LABEL] === SERVICE.name && !slices.has(name))
        await this.#cluster.delete(placeOf(resource, slice), { uid });
    }
  }

  async #ensure(wanted: KubeObject): Promise<void> {
    const group = wanted.apiVersion.includes("/") ? (wanted.apiVersion.split("/")[0] ?? "") : "";
    const resource = builtin(this.#cluster, group, wanted.kind);
    const { apiVersion: _version, kind: _kind, metadata, ...content } = wanted;
    const outcome = await this.#cluster.update(placeOf(resource, wanted), {
      change(live) {
        const labels = { ...live.metadata.labels, ...metadata.labels };
        const same = Object.entries(content).every(([field, value]) => jsonEqual(live[field], value));
        if (same && jsonEqual(live.metadata.labels, labels)) return undefined;
        return { ...live, ...content, metadata: { ...live.metadata, labels } };
      },
    });
    if (outcome === "absent") await this.#cluster.create(resource, wanted);
  }
}
