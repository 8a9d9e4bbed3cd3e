import type { IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request as httpsRequest } from "node:https";
import { ConnectionError } from "./errors.ts";
import type { Connection, Credentials, HttpRequest, HttpResponse, Transport } from "./transport.ts";

/** Errors of the connection phase: the request has not left this machine. */
const NOT_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]);
const KEEP_ALIVE_MS = 15_000;

/**
 * Transport over `node:https` with kept-alive connections, each bound to the credentials it was opened with.
 * `close` drops idle connections; running requests end by their signals.
 */
export function httpsTransport(connection: Connection): { readonly transport: Transport; readonly close: () => void } {
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxCachedSessions: 10 });
  const bases = connection.servers.map(parseServer);
  let current = 0;
  const transport: Transport = async (request, signal) => {
    const base = bases[current % bases.length] ?? bases[0];
    if (base === undefined) throw new TypeError("a connection without servers");
    const options = requestOptions(connection, await connection.credentials(), base, request);
    try {
      return await exchange(base, { ...options, agent, signal }, request.body);
    } catch (error) {
      if (!signal.aborted) current += 1;
      throw error;
    }
  };
  return { transport, close: () => agent.destroy() };
}

function parseServer(server: string): URL {
  const url = new URL(server);
  if (url.protocol !== "https:") throw new TypeError(`server ${server}: only https:// is spoken`);
  return url;
}

function requestOptions(connection: Connection, who: Credentials, base: URL, request: HttpRequest): RequestOptions {
  const { ca, serverName, insecureSkipTlsVerify } = connection;
  const authorization = who.token === undefined ? {} : { authorization: `Bearer ${who.token}` };
  return {
    method: request.method,
    host: base.hostname.replace(/^\[|\]$/g, ""),
    port: base.port === "" ? 443 : Number(base.port),
    path: base.pathname.replace(/\/$/, "") + request.path,
    headers: { ...request.headers, ...authorization, ...contentLength(request.body) },
    rejectUnauthorized: insecureSkipTlsVerify !== true,
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(who.cert === undefined ? {} : { cert: who.cert }),
    ...(who.key === undefined ? {} : { key: who.key }),
  };
}

const contentLength = (body: string | undefined) =>
  body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };

function exchange(base: URL, options: RequestOptions, body: string | undefined): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(options);
    let secured = false;
    outgoing.once("socket", (socket) => {
      // A kept-alive socket is connected already.
      if (outgoing.reusedSocket) secured = true;
      else socket.once("secureConnect", () => (secured = true));
    });
    outgoing.once("response", (response) => resolve(toResponse(base, response)));
    outgoing.once("error", (error: NodeJS.ErrnoException) => {
      if (options.signal?.aborted) return reject(options.signal.reason);
      const outcome = secured || !isConnectPhase(error, outgoing.reusedSocket) ? "unknown" : "not-sent";
      reject(new ConnectionError(`${base.origin}: ${describe(error)}`, outcome, { cause: error }));
    });
    outgoing.end(body);
  });
}

function isConnectPhase(error: NodeJS.ErrnoException, reused: boolean): boolean {
  if (NOT_SENT.has(error.code ?? "")) return true;
  return !reused; // the TLS handshake failed: nothing of HTTP was sent
}

/** Several addresses of one name can fail at once; then the message of the outer error is empty. */
function describe(error: NodeJS.ErrnoException): string {
  const inner = error instanceof AggregateError ? error.errors.map((each: Error) => each.message).join("; ") : "";
  return error.message || inner || error.code || "connection failed";
}

function toResponse(base: URL, response: IncomingMessage): HttpResponse {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(response.headers)) headers[name] = Array.isArray(value) ? value[0] : value;
  return { status: response.statusCode ?? 0, headers, body: readBody(base, response) };
}

async function* readBody(base: URL, response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* response;
  } catch (error) {
    throw new ConnectionError(`${base.origin}: the answer was cut`, "unknown", { cause: error });
  }
}
