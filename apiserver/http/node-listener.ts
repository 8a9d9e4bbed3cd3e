import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../../machinery/clock.ts";
import { type Conversation, overHttp1, overHttp2, serve } from "./conversation.ts";
import type { HttpRequest, HttpResponse } from "./exchange.ts";

export interface ListenerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** PEM. Client certificates signed by `clientCa` authenticate; others are as good as none. */
  readonly tls: { readonly key: string; readonly certificate: string; readonly clientCa: string };
  /** Never rejects. */
  readonly handle: (request: HttpRequest) => Promise<HttpResponse>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Connections from now on are made with these; those that are open stay. */
  renew(tls: ListenerOptions["tls"]): void;
  /** Takes no new connections, ends watches, waits for the answers under way, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** HTTP/2 and HTTP/1.1 over TLS on one port. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { tls } = options;
  const stopping = new AbortController();
  const busy = new Set<Promise<void>>();
  const server = createSecureServer({
    allowHTTP1: true,
    key: tls.key,
    cert: tls.certificate,
    ca: tls.clientCa,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    settings: { maxConcurrentStreams: 1000 },
    // In MB, of one connection: client-go puts all its watches and lists on one.
    maxSessionMemory: 128,
  });
  const sockets = new Set<Socket>();
  // From the first byte on: one that never ends its TLS handshake would keep the server from closing for minutes.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("secureConnection", (socket: Socket) => socket.on("error", () => socket.destroy()));
  server.on("tlsClientError", () => {});
  server.on("sessionError", () => {});
  const take = (conversation: Conversation): void => {
    const work = serve(options, conversation, stopping.signal).catch(options.onError);
    busy.add(work);
    void work.finally(() => busy.delete(work));
  };
  server.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => take(overHttp1(incoming, outgoing)));
  // Node would make an HTTP/1.1 request and response of each stream, which costs more than reading the request.
  server.removeAllListeners("stream");
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: string[]) =>
    take(overHttp2(stream, headers, raw, flags)),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => resolve());
  });
  server.on("error", options.onError);
  const { port } = server.address() as AddressInfo;
  return {
    host: options.host,
    port,
    renew: ({ key, certificate, clientCa }) =>
      server.setSecureContext({ key, cert: certificate, ca: clientCa, minVersion: "TLSv1.2" }),
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      stopping.abort();
      let cancel = (): void => {};
      const late = new Promise<void>((resolve) => {
        cancel = options.clock.schedule(graceMs, resolve);
      });
      await Promise.race([Promise.allSettled(busy), late]);
      cancel();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
