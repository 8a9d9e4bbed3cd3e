/** One HTTP exchange. The seam below the REST client: HTTPS in production, the real server in memory in the simulation. */
export type Transport = (request: HttpRequest, signal: AbortSignal) => Promise<HttpResponse>;

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With query, starts with "/". */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Ends with an error when the connection is cut before the end. Leaving it early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** PEM texts and tokens, as they are now; asked for before each request, so that renewed ones are used at once. */
export interface Credentials {
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly token?: string;
}

/** Where an API is and who we are there. */
export interface Connection {
  /** Base URLs (`https://host:6443`) of the same API; the next is tried after one could not be reached. */
  readonly servers: readonly [string, ...string[]];
  /** PEM; the system's authorities when absent. */
  readonly ca?: string | Buffer;
  /** Name expected in the server's certificate, when it differs from the URL. */
  readonly serverName?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly credentials: () => Promise<Credentials>;
}
