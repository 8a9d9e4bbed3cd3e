import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Readable, Writable } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../machinery/clock.ts";
import { isImpersonationHeader } from "../access/impersonate.ts";
import type { Credentials } from "../access/types.ts";
import { ApiError, badRequest } from "../status.ts";
import { type HttpRequest, type HttpResponse, MAX_BODY_BYTES } from "./exchange.ts";

/** One request and the way back to who sent it, over either HTTP. */
export interface Conversation {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, repeated ones apart. */
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  readonly incoming: Readable;
  readonly outgoing: Writable;
  /** Sends the headers, at once when no body comes with them. */
  respond(status: number, headers: HttpResponse["headers"]): void;
}

interface Peer {
  readonly certificate: Credentials["certificate"];
  readonly address: string;
}

/** A body takes at most that long, as any request that is not a watch does. */
const BODY_MS = 60_000;
/** For the rest of a body that nobody wants. */
const DISCARD_MS = 5000;

export function overHttp1(incoming: IncomingMessage, outgoing: ServerResponse): Conversation {
  return {
    method: incoming.method ?? "GET",
    target: incoming.url ?? "/",
    headers: incoming.headers,
    rawHeaders: incoming.rawHeaders,
    peer: peerOf(incoming.socket, () => incoming.socket as TLSSocket),
    incoming,
    outgoing,
    respond(status, headers) {
      for (const [name, value] of Object.entries(headers)) {
        outgoing.setHeader(name, typeof value === "string" ? value : [...value]);
      }
      outgoing.statusCode = status;
    },
  };
}

export function overHttp2(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  flags: number,
): Conversation {
  const { session } = stream;
  if (headers.expect === "100-continue" && (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0) {
    stream.additionalHeaders({ ":status": 100 });
  }
  return {
    method: headers[":method"] ?? "GET",
    target: headers[":path"] ?? "/",
    headers,
    rawHeaders,
    peer: peerOf(session ?? stream, () => session?.socket as TLSSocket | undefined),
    incoming: stream,
    outgoing: stream,
    respond(status, given) {
      // Reset by the client while the answer was made: nobody is there to read it.
      if (!stream.closed && !stream.destroyed) stream.respond({ ...given, ":status": status });
    },
  };
}

const peers = new WeakMap<object, Peer>();

/** Who is at the other end of a connection; it keeps the certificate that it began with. */
function peerOf(connection: object, socketOf: () => TLSSocket | undefined): Peer {
  let known = peers.get(connection);
  if (known === undefined) {
    const socket = socketOf();
    known = {
      certificate: socket === undefined ? undefined : readCertificate(socket),
      address: socket?.remoteAddress ?? "",
    };
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

export interface ServeOptions {
  /** Never rejects. */
  readonly handle: (request: HttpRequest) => Promise<HttpResponse>;
  readonly clock: Clock;
}

/** Answers one request, unless its client leaves before. */
export async function serve(options: ServeOptions, conversation: Conversation, stopping: AbortSignal): Promise<void> {
  const { incoming, outgoing } = conversation;
  const gone = new Departure(stopping);
  const note = (): void => gone.note();
  outgoing.on("close", note);
  // A reset by the client is no error of ours: `close` follows.
  outgoing.on("error", note);
  if ((incoming as object) !== outgoing) incoming.on("error", note);
  const response = await options.handle(toRequest(conversation, gone, options.clock));
  if (!gone.isGone) await discardBody(incoming, options.clock);
  if (!gone.isGone) await send(conversation, response, gone);
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

function toRequest(conversation: Conversation, gone: Departure, clock: Clock): HttpRequest {
  const { method, target, headers, rawHeaders, peer, incoming } = conversation;
  const at = target.indexOf("?");
  let body: Promise<Buffer> | undefined;
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(",") : value;
  };
  return {
    method,
    path: at < 0 ? target : target.slice(0, at),
    query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)),
    header,
    credentials: { certificate: peer.certificate, bearerToken: bearerToken(headers.authorization) },
    impersonation: impersonationHeaders(rawHeaders),
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
    const name = raw[index] ?? "";
    if (isImpersonationHeader(name)) (found[name.toLowerCase()] ??= []).push(raw[index + 1] ?? "");
  }
  return found;
}

function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}

function readBody(incoming: Readable, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const late = `the body of the request did not arrive within ${BODY_MS / 1000} s`;
    const cancel = clock.schedule(BODY_MS, () => reject(new ApiError("Timeout", late)));
    const chunks: Buffer[] = [];
    let bytes = 0;
    let whole = false;
    incoming.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(new ApiError("RequestEntityTooLarge", `Request entity too large: limit is ${MAX_BODY_BYTES}`));
    });
    incoming.on("end", () => {
      whole = true;
      cancel();
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    });
    const cut = (): void => {
      // Every stream closes; an error for each would cost more than the body.
      if (whole) return;
      cancel();
      reject(badRequest("the connection ended before the body"));
    };
    for (const event of ["error", "aborted", "close"]) incoming.on(event, cut);
  });
}

/**
 * Reads what nobody has read. An answer to half a request resets an HTTP/2 stream, and a connection with many resets is
 * cut. What is beyond the limit, or does not come, stays unread: that client is cut.
 */
function discardBody(incoming: Readable, clock: Clock): Promise<void> | undefined {
  if (incoming.readableEnded || incoming.destroyed) return undefined;
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

async function send(conversation: Conversation, response: HttpResponse, gone: Departure): Promise<void> {
  const { outgoing } = conversation;
  const { body, status, headers } = response;
  if (typeof body === "string" || Buffer.isBuffer(body)) {
    conversation.respond(status, { ...headers, "content-length": String(Buffer.byteLength(body)) });
    if (conversation.method === "HEAD") outgoing.end();
    else outgoing.end(body);
    return;
  }
  conversation.respond(status, headers);
  // Clients start their timers when the headers come, not with the first event.
  if ("flushHeaders" in outgoing) (outgoing as ServerResponse).flushHeaders();
  for await (const chunk of body) {
    if (gone.isGone) return;
    if (!outgoing.write(chunk)) await drained(outgoing);
  }
  outgoing.end();
}

function drained(outgoing: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ["drain", "close"]) outgoing.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close"]) outgoing.on(event, done);
    if (outgoing.destroyed) done();
  });
}
