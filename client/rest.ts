import type { Clock } from "../machinery/clock.ts";
import { deadline } from "../machinery/deadline.ts";
import type { JsonObject } from "../machinery/object.ts";
import { ConnectionError, isExpired, ProtocolError, statusError } from "./errors.ts";
import { type ApiObject, apiVersion, type ObjectKey, resourcePath } from "./api-object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";
import { type WatchEvent, watchEvents } from "./watch-stream.ts";

export interface Selection {
  /** All namespaces when absent. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  /** Where a watch that continues this list starts. */
  readonly resourceVersion: string;
}

export interface WatchOptions extends Selection {
  /** Events after it. Absent together with `sendInitialEvents`: the current state first. */
  readonly resourceVersion?: string | undefined;
  /** Streaming list: the state as ADDED events, then a bookmark that says so (`isInitialEventsEnd`). */
  readonly sendInitialEvents?: boolean;
  /** The server ends the watch after it. */
  readonly timeoutSeconds?: number;
  /** Called for each piece that arrives, whatever it holds: proof that the connection lives. */
  readonly onBytes?: () => void;
}

export interface ApplyOptions {
  readonly fieldManager: string;
  /** Take over fields that another manager owns. */
  readonly force?: boolean;
  readonly subresource?: string;
}

export type Patch =
  | { readonly kind: "merge"; readonly body: JsonObject }
  | { readonly kind: "json"; readonly body: readonly JsonObject[] };

export interface DeleteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

/** Bounds one request (a watch: until its headers); the caller's signal ends it earlier. */
const REQUEST_TIMEOUT_MS = 30_000;
const PAGE_SIZE = 500;

/**
 * The verbs of the Kubernetes API over a transport. Every method rejects with `ApiStatusError` (refused),
 * `ConnectionError` (no or half an answer), `TimeoutError`, or the reason of `signal`. Reads are quorum reads.
 * Nothing is retried, except a GET whose kept-alive connection turned out to be closed.
 */
export class RestClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #timeoutMs: number;

  constructor(options: { transport: Transport; clock: Clock; userAgent?: string; timeoutMs?: number }) {
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#userAgent = options.userAgent ?? "ferrite";
    this.#timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  get<T extends ApiObject>(type: ResourceType<T>, key: ObjectKey, signal?: AbortSignal): Promise<T> {
    return this.#json({ method: "GET", path: resourcePath(type, key) }, signal);
  }

  /** All pages. When history is compacted between two of them, starts again and asks for everything at once. */
  async list<T extends ApiObject>(
    type: ResourceType<T>,
    selection: Selection = {},
    signal?: AbortSignal,
  ): Promise<ObjectList<T>> {
    try {
      return await this.#pages(type, selection, PAGE_SIZE, signal);
    } catch (error) {
      if (!isExpired(error)) throw error;
      return this.#pages(type, selection, 0, signal);
    }
  }

  create<T extends ApiObject>(type: ResourceType<T>, object: T, signal?: AbortSignal): Promise<T> {
    const { namespace } = object.metadata;
    return this.#send({ method: "POST", path: resourcePath(type, { namespace }) }, withType(type, object), signal);
  }

  /** Replaces the object; `metadata.resourceVersion` makes it a compare-and-swap. */
  update<T extends ApiObject>(type: ResourceType<T>, object: T, signal?: AbortSignal): Promise<T> {
    return this.#send({ method: "PUT", path: pathOf(type, object) }, withType(type, object), signal);
  }

  updateStatus<T extends ApiObject>(type: ResourceType<T>, object: T, signal?: AbortSignal): Promise<T> {
    return this.#send({ method: "PUT", path: pathOf(type, object, "status") }, withType(type, object), signal);
  }

  patch<T extends ApiObject>(
    type: ResourceType<T>,
    key: ObjectKey & { readonly subresource?: string },
    patch: Patch,
    signal?: AbortSignal,
  ): Promise<T> {
    const contentType = patch.kind === "merge" ? "application/merge-patch+json" : "application/json-patch+json";
    return this.#send({ method: "PATCH", path: resourcePath(type, key) }, patch.body, signal, contentType);
  }

  /** Server-side apply: `object` holds the manager's own fields and nothing else. */
  apply<T extends ApiObject>(
    type: ResourceType<T>,
    object: ApiObject,
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T> {
    const path = pathOf(type, object, options.subresource);
    const search = query({ fieldManager: options.fieldManager, force: options.force ? "true" : undefined });
    const body = withType(type, object);
    return this.#send({ method: "PATCH", path: path + search }, body, signal, "application/apply-patch+yaml");
  }

  /** Answers with the object as it goes (it may wait for finalizers), or a Status. */
  async delete<T extends ApiObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    options: DeleteOptions = {},
    signal?: AbortSignal,
  ): Promise<void> {
    const { uid, resourceVersion, ...rest } = options;
    const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
    const body = { apiVersion: "v1", kind: "DeleteOptions", ...rest, preconditions };
    await this.#send({ method: "DELETE", path: resourcePath(type, key) }, body, signal);
  }

  /**
   * The events of one watch request, in order; ends when the server ends it. `Expired` (410) is thrown whether it comes
   * as a status code or as an ERROR event. Leaving the loop closes the connection.
   */
  async *watch<T extends ApiObject>(
    type: ResourceType<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>> {
    const { sendInitialEvents, timeoutSeconds, onBytes, namespace, ...rest } = options;
    const search = query({
      watch: "true",
      allowWatchBookmarks: "true",
      ...rest,
      ...(sendInitialEvents && { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" }),
      timeoutSeconds: timeoutSeconds === undefined ? undefined : String(timeoutSeconds),
    });
    const stop = new AbortController();
    const onAbort = () => stop.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const response = await this.#open({ method: "GET", path: resourcePath(type, { namespace }) + search }, stop);
      onBytes?.();
      yield* watchEvents<T>(response.body, onBytes);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      stop.abort(); // also when the consumer left before the end
    }
  }

  /** The timeout covers the headers; the body may take for ever. */
  async #open(request: Omit<HttpRequest, "headers">, stop: AbortController): Promise<HttpResponse> {
    const limit = deadline(this.#clock, this.#timeoutMs, `${request.method} ${request.path}`, stop.signal);
    const onLimit = () => stop.abort(limit.signal.reason);
    limit.signal.addEventListener("abort", onLimit, { once: true });
    try {
      const response = await this.#transport({ ...request, headers: this.#headers() }, stop.signal);
      if (response.status !== 200) throw await refusal(response);
      return response;
    } finally {
      limit.signal.removeEventListener("abort", onLimit);
      limit.cancel();
    }
  }

  async #pages<T extends ApiObject>(
    type: ResourceType<T>,
    selection: Selection,
    limit: number,
    signal?: AbortSignal,
  ): Promise<ObjectList<T>> {
    const { namespace, ...selectors } = selection;
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const search = query({ ...selectors, limit: limit > 0 ? String(limit) : undefined, continue: next });
      const page = await this.#json<ListPage<T>>(
        { method: "GET", path: resourcePath(type, { namespace }) + search },
        signal,
      );
      if (!Array.isArray(page.items) || !page.metadata?.resourceVersion)
        throw new ProtocolError(`list of ${type.plural}: no items or no resourceVersion in the answer`);
      // Items of a list carry no type of their own.
      items.push(...page.items.map((item) => withType(type, item)));
      next = page.metadata.continue || undefined;
      if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
    }
  }

  #send<T>(
    request: { readonly method: HttpRequest["method"]; readonly path: string },
    body: unknown,
    signal?: AbortSignal,
    contentType = "application/json",
  ): Promise<T> {
    return this.#json({ ...request, body: JSON.stringify(body) }, signal, contentType);
  }

  async #json<T>(request: Omit<HttpRequest, "headers">, signal?: AbortSignal, contentType?: string): Promise<T> {
    const limit = deadline(this.#clock, this.#timeoutMs, `${request.method} ${request.path}`, signal);
    const full = { ...request, headers: this.#headers(contentType) };
    try {
      const { status, text } = await this.#exchange(full, limit.signal);
      return parse(status, text) as T;
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      limit.cancel();
    }
  }

  async #exchange(request: HttpRequest, signal: AbortSignal): Promise<{ status: number; text: string }> {
    const once = async () => {
      const response = await this.#transport(request, signal);
      if (response.status >= 300) throw await refusal(response);
      return { status: response.status, text: await readText(response) };
    };
    try {
      return await once();
    } catch (error) {
      if (request.method !== "GET" || !(error instanceof ConnectionError) || signal.aborted) throw error;
      return once();
    }
  }

  #headers(contentType?: string): Record<string, string> {
    const type: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType };
    return { accept: "application/json", "user-agent": this.#userAgent, ...type };
  }
}

interface ListPage<T> {
  readonly items?: T[] | null;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

function pathOf(type: ResourceType, object: ApiObject, subresource?: string): string {
  const { namespace, name } = object.metadata;
  if (!name) throw new TypeError(`${type.kind}: metadata.name is missing`);
  return resourcePath(type, { namespace, name, ...(subresource === undefined ? {} : { subresource }) });
}

function withType<T extends ApiObject>(type: ResourceType, object: T): T {
  return { ...object, apiVersion: apiVersion(type), kind: type.kind };
}

function query(fields: Readonly<Record<string, string | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) search.set(name, value);
  return search.size === 0 ? "" : `?${search.toString()}`;
}

async function refusal(response: HttpResponse): Promise<Error> {
  return statusError(response.status, await readText(response), response.headers["retry-after"]);
}

async function readText(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function parse(status: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError(`HTTP ${status} with a body that is not JSON: ${text.slice(0, 200)}`, { cause });
  }
}
