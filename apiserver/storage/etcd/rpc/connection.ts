import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import type { Clock } from "../../../../machinery/clock.ts";
import { RpcError } from "./status.ts";

export interface ConnectionOptions {
  /** `https://10.0.0.1:2379`, `http://127.0.0.1:2379` or `unix:/run/ferrite/etcd/client.sock`. */
  readonly endpoint: string;
  /** PEM. */
  readonly tls?: { readonly ca: Buffer; readonly certificate?: Buffer; readonly key?: Buffer };
  readonly clock: Clock;
}

const CONNECT_MS = 5000;
/** etcd takes pings at most every 5 s, and cuts a connection that sends them while no call is open. */
const PING_EVERY_MS = 10_000;
const PING_ANSWER_MS = 5000;
/** What may be on its way to us: large enough that a list never waits for our acknowledgement. */
const WINDOW_BYTES = 8 * 2 ** 20;

/** One HTTP/2 connection, from the attempt to its end. One that has gone silent is noticed by pings while calls are open. */
export class Connection {
  readonly #session: ClientHttp2Session;
  readonly #clock: Clock;
  /** Resolves when the other side has spoken; throws RpcError when it never will. Nothing is sent before. */
  readonly ready: Promise<void>;
  #connected = false;
  #openStreams = 0;
  readonly #cancels = new Set<() => void>();

  constructor(options: ConnectionOptions) {
    this.#clock = options.clock;
    this.#session = openSession(options);
    this.#session.on("close", () => this.#cancelTimers());
    this.ready = this.#whenReady();
    // Calls that are open hear of it by their own streams.
    this.ready.catch(() => {});
    this.#schedule(CONNECT_MS, () => {
      if (!this.#connected) this.destroy(new Error(`no connection within ${CONNECT_MS} ms`));
    });
    this.#schedule(PING_EVERY_MS, () => this.#ping());
  }

  /** Takes new calls: it may be on its way to be connected. */
  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** To be called when it is `connected`. Throws RpcError. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#tryRequest(headers);
    this.#openStreams++;
    stream.on("close", () => this.#openStreams--);
    return stream;
  }

  /** All calls that are open fail. */
  destroy(error?: Error): void {
    this.#session.destroy(error);
    this.#cancelTimers();
  }

  #tryRequest(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    try {
      return this.#session.request(headers);
    } catch (cause) {
      throw new RpcError("UNAVAILABLE", `no connection: ${(cause as Error).message}`, { sent: false, cause });
    }
  }

  #whenReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      let cause: Error | undefined;
      this.#session.once("remoteSettings", () => {
        this.#connected = true;
        this.#session.setLocalWindowSize(2 * WINDOW_BYTES);
        resolve();
      });
      this.#session.on("error", (error) => (cause = error));
      this.#session.on("close", () => {
        reject(new RpcError("UNAVAILABLE", `no connection: ${cause?.message ?? "closed"}`, { sent: false, cause }));
      });
    });
  }

  #ping(): void {
    this.#schedule(PING_EVERY_MS, () => this.#ping());
    if (!this.#connected || !this.usable || this.#openStreams === 0) return;
    const cancel = this.#schedule(PING_ANSWER_MS, () => this.destroy(new Error("no answer to a ping")));
    this.#session.ping(cancel);
  }

  #schedule(delayMs: number, work: () => void): () => void {
    const stop = this.#clock.schedule(delayMs, () => {
      this.#cancels.delete(cancel);
      work();
    });
    const cancel = (): void => {
      this.#cancels.delete(cancel);
      stop();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  #cancelTimers(): void {
    for (const cancel of this.#cancels) cancel();
  }
}

function openSession({ endpoint, tls }: ConnectionOptions): ClientHttp2Session {
  const options: SecureClientSessionOptions = {
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    // Large lists and writes share the connection; what is too much is decided elsewhere.
    maxSessionMemory: Number.MAX_SAFE_INTEGER,
    ...(tls === undefined ? {} : { ca: tls.ca }),
    ...(tls?.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
  };
  const path = /^unix:(?:\/\/)?(.+)$/.exec(endpoint)?.[1];
  if (path === undefined) return connectHttp2(endpoint, options);
  return connectHttp2("http://localhost", { ...options, createConnection: () => connectSocket(path) });
}
