import type { KubeObject } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";
import { builtin, type Cluster } from "./cluster.ts";
import { Loop, type LoopDeps } from "./loop.ts";
import type { FeedSubscriber } from "./object-feed.ts";

const ACCOUNT = "default";
const ROOT_CA = "kube-root-ca.crt";
const DESCRIPTION = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints";

/** Gives every namespace what client libraries wait for: the ServiceAccount `default` and the CA in `kube-root-ca.crt`. */
export class NamespaceContent implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #caPem: string;
  readonly #loop: Loop;

  constructor(cluster: Cluster, deps: LoopDeps, caPem: string) {
    this.#cluster = cluster;
    this.#caPem = caPem;
    this.#loop = new Loop("namespace-content", deps, (name) => this.#pass(name));
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource, { metadata, ...object }: KubeObject): void {
    if (resource.group !== "") return;
    if (resource.plural === "namespaces" && metadata.deletionTimestamp === undefined)
      this.#loop.add(metadata.name ?? "");
    const changed = resource.plural === "configmaps" && metadata.name === ROOT_CA && !this.#isCurrent(object["data"]);
    if (changed) this.#loop.add(metadata.namespace ?? "");
  }

  remove(resource: Resource, { metadata }: KubeObject): void {
    const ours =
      (resource.plural === "configmaps" && metadata.name === ROOT_CA) ||
      (resource.plural === "serviceaccounts" && metadata.name === ACCOUNT);
    if (resource.group === "" && ours) this.#loop.add(metadata.namespace ?? "");
  }

  #isCurrent(data: unknown): boolean {
    return (data as Record<string, string> | undefined)?.["ca.crt"] === this.#caPem;
  }

  async #pass(namespace: string): Promise<void> {
    const found = await this.#cluster.get({
      resource: builtin(this.#cluster, "", "Namespace"),
      namespace: "",
      name: namespace,
    });
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
    const accounts = builtin(this.#cluster, "", "ServiceAccount");
    await this.#cluster.create(accounts, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace, name: ACCOUNT },
    });
    await this.#ensureRootCa(namespace);
  }

  async #ensureRootCa(namespace: string): Promise<void> {
    const resource = builtin(this.#cluster, "", "ConfigMap");
    const data = { "ca.crt": this.#caPem };
    const metadata = { namespace, name: ROOT_CA, annotations: { "kubernetes.io/description": DESCRIPTION } };
    const outcome = await this.#cluster.create(resource, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
    if (outcome === "created") return;
    await this.#cluster.update(
      { resource, namespace, name: ROOT_CA },
      {
        change: (live) => (this.#isCurrent(live["data"]) ? undefined : { ...live, data }),
      },
    );
  }
}
