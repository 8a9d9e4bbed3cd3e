import { onTestFinished } from "vitest";
import type { HttpRequest, HttpResponse } from "../../../apiserver/http/exchange.ts";
import { type ApiServer, type ServerOptions, startServer } from "../../../apiserver/server.ts";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import type { Storage } from "../../../apiserver/storage/types.ts";
import { systemClock } from "../../../machinery/clock.ts";
import type { KubeObject } from "../../../machinery/object.ts";

/** A whole API server in this process, on the memory store, asked without sockets by a member of system:masters. */
export interface Harness {
  readonly server: ApiServer;
  readonly storage: Storage;
  /** Answers with status and parsed body. */
  readonly ask: <T = KubeObject>(
    method: string,
    target: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answer<T>>;
  readonly stream: (target: string, signal?: AbortSignal) => Promise<AsyncIterable<string | Buffer>>;
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: T;
}

const ADMIN = { commonName: "admin", organizations: ["system:masters"] };

export async function startHarness(
  storage: Storage = new MemoryStorage(systemClock),
  options: Omit<ServerOptions, "storage"> = {},
): Promise<Harness> {
  const server = await startServer({ storage, ...options });
  onTestFinished(() => server.stop());
  return harnessOf(server, storage);
}

/** For a server that lives longer than one test: whoever started it stops it. */
export function harnessOf(server: ApiServer, storage: Storage): Harness {
  const request = (
    method: string,
    target: string,
    body: unknown,
    headers: Record<string, string>,
    signal: AbortSignal,
  ) => {
    const url = new URL(target, "https://server");
    const bytes =
      body === undefined ? Buffer.alloc(0) : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    return {
      method,
      path: url.pathname,
      query: url.searchParams,
      header: (name: string) => headers[name],
      credentials: { certificate: ADMIN, bearerToken: undefined },
      body: () => Promise.resolve(bytes),
      signal,
      remoteAddress: "127.0.0.1",
    } satisfies HttpRequest;
  };
  return {
    server,
    storage,
    async ask(method: string, target: string, body?: unknown, headers: Record<string, string> = {}) {
      const response = await server.handle(request(method, target, body, headers, new AbortController().signal));
      const text = await wholeText(response.body);
      return {
        status: response.status,
        headers: response.headers,
        // The caller knows what it asked for; protobuf is none of it.
        body: (text === "" || String(response.headers["content-type"]).includes("protobuf")
          ? undefined
          : JSON.parse(text)) as never,
      };
    },
    async stream(target, signal = new AbortController().signal) {
      const { body } = await server.handle(request("GET", target, undefined, {}, signal));
      if (typeof body === "string" || Buffer.isBuffer(body)) throw new Error(`no stream but: ${body.toString()}`);
      return body;
    },
  };
}

/** A definition of Widgets in example.com/v1, with every subresource. */
export const widgetCrd = (): KubeObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget", shortNames: ["wi"], categories: ["all"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
        },
        selectableFields: [{ jsonPath: ".spec.color" }],
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                required: ["size"],
                properties: {
                  size: { type: "integer", minimum: 1, description: "How big it is." },
                  color: { type: "string", default: "red" },
                  replicas: { type: "integer" },
                },
              },
              status: { type: "object", properties: { phase: { type: "string" }, replicas: { type: "integer" } } },
            },
          },
        },
      },
    ],
  },
});

export const widget = (name: string, spec: object = { size: 1 }, metadata: object = {}): KubeObject => ({
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name, ...metadata },
  spec,
});

export const WIDGETS = "/apis/example.com/v1/namespaces/default/widgets";

/** A harness with Widgets. */
export async function startWithWidgets(): Promise<Harness> {
  const harness = await startHarness();
  await harness.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widgetCrd());
  return harness;
}

async function wholeText(body: HttpResponse["body"]): Promise<string> {
  if (typeof body === "string") return body;
  if (Buffer.isBuffer(body)) return body.toString();
  let text = "";
  for await (const chunk of body) text += chunk.toString();
  return text;
}
