import type { Headers } from "../access/impersonate.ts";
import type { Credentials } from "../access/types.ts";

/** One request, independent of HTTP/1.1, HTTP/2 and sockets. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly header: (name: string) => string | undefined;
  readonly credentials: Credentials;
  /** `Impersonate-…` headers, repeated ones as lists; absent: there are none. */
  readonly impersonation?: Headers;
  /** Throws ApiError RequestEntityTooLarge beyond the limit. Reads once; later calls get the same bytes. */
  readonly body: () => Promise<Buffer>;
  /** Aborts when the client has gone or the server stops. */
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** A stream is sent chunk by chunk, each at once, at the speed of the client. */
  readonly body: string | Buffer | AsyncIterable<string | Buffer>;
}

export const MAX_BODY_BYTES = 3 * 1024 * 1024;

export const jsonResponse = (status: number, value: unknown, headers: HttpResponse["headers"] = {}): HttpResponse => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value),
});

export const textResponse = (status: number, body: string): HttpResponse => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  body,
});
