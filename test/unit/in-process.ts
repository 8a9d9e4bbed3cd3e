import { type ApiServer, startServer } from "../../apiserver/server.ts";
import { MemoryStorage } from "../../apiserver/storage/memory.ts";
import type { Storage } from "../../apiserver/storage/types.ts";
import { ApiStatusError, ConnectionError } from "../../client/errors.ts";
import { RestClient } from "../../client/rest.ts";
import type { Transport } from "../../client/transport.ts";
import type { Clock } from "../../machinery/clock.ts";
import { VirtualClock } from "../../machinery/virtual-clock.ts";

/** The real API server on a virtual clock, and links to it that can be cut: no sockets, no real time. */
export interface World {
  readonly clock: VirtualClock;
  readonly storage: Storage;
  readonly server: ApiServer;
  readonly link: () => Link;
  readonly client: (link?: Link, clock?: Clock) => RestClient;
}

/** One client's way to the server. */
export interface Link {
  readonly transport: Transport;
  /** Running requests and new ones fail at once: a refused connection. */
  cut: () => void;
  /** Requests get no answer, watches stand still, nobody is told: a dropped cable. */
  hang: () => void;
  /** Only watches stand still: a server or a proxy that has forgotten them. */
  hangWatches: () => void;
  /** New requests get no answer; watches that are open go on. */
  hangNew: () => void;
  /** Writes are refused with 500, reads are well: etcd has run full. */
  refuseWrites: () => void;
  /** `GET /path?query` of every request so far. */
  readonly asked: string[];
  mend: () => void;
}

export async function startWorld(): Promise<World> {
  const clock = new VirtualClock();
  const storage = new MemoryStorage(clock);
  const server = await startServer({ storage, clock });
  const newLink = () => makeLink(server);
  return {
    clock,
    storage,
    server,
    link: newLink,
    client: (link = newLink(), own = clock) => new RestClient({ transport: link.transport, clock: own }),
  };
}

const ADMIN = { commonName: "admin", organizations: ["system:masters"] };

export function makeLink(server: Pick<ApiServer, "handle">): Link {
  const asked: string[] = [];
  let state: "up" | "cut" | "hanging" | "hangingWatches" | "hangingNew" | "readOnly" = "up";
  let mended = Promise.withResolvers<void>();
  const open = new Set<AbortController>();
  const blocked = async (signal: AbortSignal, watch = false): Promise<void> => {
    const hangs = state === "hanging" || (watch && state === "hangingWatches") || (!watch && state === "hangingNew");
    if (hangs) {
      await Promise.race([mended.promise, aborted(signal)]);
      signal.throwIfAborted();
      return blocked(signal, watch);
    }
    if (state === "cut") throw new ConnectionError("the link is cut", "not-sent");
  };
  async function* guarded(
    body: AsyncIterable<string | Uint8Array>,
    stop: AbortController,
    watch: boolean,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) {
        await blocked(stop.signal, watch);
        yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      }
      // A stream that ends because its request was cut has not ended well.
      stop.signal.throwIfAborted();
    } finally {
      open.delete(stop);
      stop.abort();
    }
  }
  const transport: Transport = async (request, signal) => {
    asked.push(`${request.method} ${request.path}`);
    await blocked(signal);
    if (state === "readOnly" && request.method !== "GET")
      throw new ApiStatusError({ code: 500, reason: "InternalError", message: "mvcc: database space exceeded" });
    const stop = new AbortController();
    open.add(stop);
    if (signal.aborted) stop.abort(signal.reason);
    signal.addEventListener("abort", () => stop.abort(signal.reason), { once: true });
    const url = new URL(request.path, "https://server");
    const response = await server.handle({
      method: request.method,
      path: url.pathname,
      query: url.searchParams,
      header: (name) => request.headers[name],
      credentials: { certificate: ADMIN, bearerToken: undefined },
      body: () => Promise.resolve(Buffer.from(request.body ?? "")),
      signal: stop.signal,
      remoteAddress: "127.0.0.1",
    });
    await blocked(signal); // the request arrived, the answer may not
    const { body, headers } = response;
    const flat = Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : value[0]]);
    const stream = typeof body === "string" || Buffer.isBuffer(body) ? once(body.toString()) : body;
    return {
      status: response.status,
      headers: Object.fromEntries(flat),
      body: guarded(stream, stop, url.searchParams.has("watch")),
    };
  };
  return {
    transport,
    asked,
    hangNew() {
      state = "hangingNew";
    },
    refuseWrites() {
      state = "readOnly";
    },
    hangWatches() {
      state = "hangingWatches";
    },
    cut() {
      state = "cut";
      for (const stop of open) stop.abort(new ConnectionError("the link is cut", "unknown"));
    },
    hang() {
      state = "hanging";
    },
    mend() {
      state = "up";
      mended.resolve();
      mended = Promise.withResolvers();
    },
  };
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
