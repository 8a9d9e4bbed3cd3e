import type { Clock } from "../../../machinery/clock.ts";
import { EtcdClient, type EtcdEndpoints } from "./client.ts";

/**
 * The members of an etcd cluster. All calls go to one of them until it fails, then to the next: spread over all, a
 * member whose machine has lost its power (nothing refuses the connection) would hold up every third call.
 */
export class Endpoints {
  readonly #clients: readonly EtcdClient[];
  #current = 0;
  #turned = new AbortController();

  /** The first endpoint is used first: name the nearest one first. */
  constructor(options: EtcdEndpoints, clock: Clock) {
    if (options.endpoints.length === 0) throw new RangeError("endpoints: []: etcd needs at least one");
    this.#clients = options.endpoints.map((endpoint) => new EtcdClient(endpoint, options, clock));
  }

  get current(): EtcdClient {
    const client = this.#clients[this.#current];
    if (client === undefined) throw new RangeError("endpoints: none");
    return client;
  }

  /** Aborts when the current one has failed: what still hangs on it, such as a silent watch, should move. */
  get turned(): AbortSignal {
    return this.#turned.signal;
  }

  /** Turns to the next one, unless there is none, or another caller has done so already. */
  failed(client: EtcdClient): void {
    if (client !== this.current || this.#clients.length === 1) return;
    this.#current = (this.#current + 1) % this.#clients.length;
    const turned = this.#turned;
    this.#turned = new AbortController();
    turned.abort();
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
