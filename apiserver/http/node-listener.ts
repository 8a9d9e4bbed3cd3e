import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../machinery/clock.ts";
import { isImpersonationHeader } from "../access/impersonate.ts";
import type { Credentials } from "../access/types.ts";
import { ApiError, badRequest } from "../status.ts";
import { type HttpRequest, type HttpResponse, MAX_BODY_BYTES } from "./exchange.ts";

type Incoming = IncomingMessage | Http2ServerRequest;
type Outgoing = ServerResponse | Http2ServerResponse;

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

/** A body takes at most that long, as any request that is not a watch does. */
const BODY_MS = 60_000;
/** For the rest of a body that nobody wants. */
const DISCARD_MS = 5000;

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
  server.on("secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  });
  server.on("tlsClientError", () => {});
  server.on("sessionError", () => {});
  server.on("request", (incoming: Incoming, outgoing: Outgoing) => {
    const work = serve(options, incoming, outgoing, stopping.signal).catch(options.onError);
    busy.add(work);
    void work.finally(() => busy.delete(work));
  });
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

async function serve(options: ListenerOptions, incoming: Incoming, outgoing: Outgoing, stopping: AbortSignal) {
  const gone = new Departure(stopping);
  outgoing.on("close", () => gone.note());
  // A reset by the client is no error of ours: `close` follows.
  outgoing.on("error", () => gone.note());
  incoming.on("error", () => gone.note());
  const response = await options.handle(toRequest(incoming, gone, options.clock));
  if (!gone.isGone) await discardBody(incoming, options.clock);
  if (!gone.isGone) await send(outgoing, response, gone);
}

/** Whether the client is still there. A signal costs more than most requests: it is made for those that ask. */
class Departure {
  isGone = false;
  readonly #stopping: AbortSignal;
  #controller: AbortController | undefined;

  constructor(stopping: AbortSignal) {
    this.#stopping = stopping;
  }

  note(): void {
    this.isGone = true;
    this.#controller?.abort();
  }

  /** Aborts when the client has gone or the server stops. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.isGone) this.#controller.abort();
    return AbortSignal.any([this.#controller.signal, this.#stopping]);
  }
}

function toRequest(incoming: Incoming, gone: Departure, clock: Clock): HttpRequest {
  const target = incoming.url ?? "/";
  const at = target.indexOf("?");
  const peer = peerOf(incoming);
  let body: Promise<Buffer> | undefined;
  const header = (name: string): string | undefined => {
    const value = incoming.headers[name];
    return Array.isArray(value) ? value.join(",") : value;
  };
  return {
    method: incoming.method ?? "GET",
    path: at < 0 ? target : target.slice(0, at),
    query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)),
    header,
    credentials: { certificate: peer.certificate, bearerToken: bearerToken(header("authorization")) },
    impersonation: impersonationHeaders(incoming.rawHeaders),
    body: () => (body ??= readBody(incoming, clock)),
    get signal() {
      return gone.signal;
    },
    remoteAddress: peer.address,
  };
}

/** From the raw list: a group may hold a comma, with which Node joins repeated headers. */
function impersonationHeaders(raw: readonly string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    if (isImpersonationHeader(name)) (found[name] ??= []).push(raw[index + 1] ?? "");
  }
  return found;
}

interface Peer {
  readonly certificate: Credentials["certificate"];
  readonly address: string;
}

const peers = new WeakMap<object, Peer>();

/** Who is at the other end of a connection; it keeps the certificate that it began with. */
function peerOf(incoming: Incoming): Peer {
  // With HTTP/2 each request has a `socket` of its own that stands for that of the session.
  const connection: object = ("stream" in incoming ? incoming.stream.session : undefined) ?? incoming.socket;
  let known = peers.get(connection);
  if (known === undefined) {
    const socket = incoming.socket as TLSSocket;
    known = { certificate: readCertificate(socket), address: socket.remoteAddress ?? "" };
    peers.set(connection, known);
  }
  return known;
}

/** Only a certificate that the client CA signed says who somebody is. */
function readCertificate(socket: TLSSocket): Credentials["certificate"] {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() ?? {};
  if (subject?.CN === undefined) return undefined;
  // Node gives a list where a subject has the attribute more than once, whatever the type says.
  const organizations = [subject.O ?? []].flat();
  return { commonName: String(subject.CN), organizations };
}

function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

function readBody(incoming: Incoming, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const late = `the body of the request did not arrive within ${BODY_MS / 1000} s`;
    const cancel = clock.schedule(BODY_MS, () => reject(new ApiError("Timeout", late)));
    incoming.on("close", cancel);
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(new ApiError("RequestEntityTooLarge", `Request entity too large: limit is ${MAX_BODY_BYTES}`));
    });
    incoming.on("end", () => {
      cancel();
      resolve(Buffer.concat(chunks));
    });
    const cut = (): void => reject(badRequest("the connection ended before the body"));
    incoming.on("error", cut);
    incoming.on("aborted", cut);
    incoming.on("close", cut);
  });
}

/**
 * Reads what nobody has read. An answer to half a request resets an HTTP/2 stream, and a connection with many resets is
 * cut. What is beyond the limit, or does not come, stays unread: that client is cut.
 */
function discardBody(incoming: Incoming, clock: Clock): Promise<void> {
  if (incoming.readableEnded || incoming.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.schedule(DISCARD_MS, resolve);
    const done = (): void => {
      cancel();
      resolve();
    };
    let bytes = 0;
    for (const event of ["end", "close", "error", "aborted"]) incoming.on(event, done);
    incoming.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) done();
    });
  });
}

async function send(outgoing: Outgoing, response: HttpResponse, gone: Departure): Promise<void> {
  for (const [name, value] of Object.entries(response.headers)) {
    outgoing.setHeader(name, typeof value === "string" ? value : [...value]);
  }
  const { body } = response;
  outgoing.statusCode = response.status;
  if (typeof body === "string" || Buffer.isBuffer(body)) {
    outgoing.setHeader("content-length", Buffer.byteLength(body));
    outgoing.end(body);
    return;
  }
  // Clients start their timers when the headers come, not with the first event.
  (outgoing as ServerResponse).flushHeaders();
  for await (const chunk of body) {
    if (gone.isGone) return;
    if (!write(outgoing, chunk)) await drained(outgoing);
  }
  outgoing.end();
}

const write = (outgoing: Outgoing, chunk: string | Buffer): boolean => (outgoing as ServerResponse).write(chunk);

function drained(outgoing: Outgoing): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ["drain", "close"]) outgoing.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close"]) outgoing.on(event, done);
    if (outgoing.destroyed) done();
  });
}
