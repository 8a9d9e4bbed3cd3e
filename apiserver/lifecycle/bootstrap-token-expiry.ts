import type { KubeObject } from "../../machinery/object.ts";
import { BOOTSTRAP_NAMESPACE, BOOTSTRAP_TYPE, readBootstrapSecret } from "../access/tokens/bootstrap-tokens.ts";
import type { Resource } from "../registry/types.ts";
import { builtin, type Cluster } from "./cluster.ts";
import { Loop, type LoopDeps } from "./loop.ts";
import type { FeedSubscriber } from "./object-feed.ts";

/** Deletes bootstrap tokens that have expired. They do not log anybody in from that second on anyway. */
export class BootstrapTokenExpiry implements FeedSubscriber {
  readonly #cluster: Cluster;
  readonly #deps: LoopDeps;
  readonly #loop: Loop;

  constructor(cluster: Cluster, deps: LoopDeps) {
    this.#cluster = cluster;
    this.#deps = deps;
    this.#loop = new Loop("bootstrap-token-expiry", deps, (name) => this.#pass(name));
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  put(resource: Resource, object: KubeObject): void {
    const { namespace, name } = object.metadata;
    if (resource.group !== "" || resource.plural !== "secrets" || namespace !== BOOTSTRAP_NAMESPACE) return;
    if (object["type"] === BOOTSTRAP_TYPE) this.#loop.add(name ?? "");
  }

  remove(): void {}

  async #pass(name: string): Promise<number | void> {
    const place = { resource: builtin(this.#cluster, "", "Secret"), namespace: BOOTSTRAP_NAMESPACE, name };
    const secret = await this.#cluster.get(place);
    const expires = secret === undefined ? undefined : readBootstrapSecret(secret)?.expires;
    if (secret === undefined || expires === undefined) return;
    const leftMs = expires.getTime() - this.#deps.clock.now().getTime();
    if (leftMs > 0) return leftMs;
    const { uid = "", resourceVersion } = secret.metadata;
    await this.#cluster.delete(place, { uid, resourceVersion });
  }
}
