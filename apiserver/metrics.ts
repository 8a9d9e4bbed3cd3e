import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry as MetricRegistry } from "prom-client";
import type { Clock } from "../machinery/clock.ts";
import type { RequestInfo } from "./http/request-info.ts";
import type { Storage } from "./storage/types.ts";

const REQUEST_BUCKETS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const STORE_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const REQUEST_LABELS = ["verb", "group", "version", "resource", "subresource", "scope"] as const;

/** As kube-apiserver names verbs in metrics: by method, but for those that share one. */
const VERBS: Readonly<Record<string, string>> = {
  get: "GET",
  list: "LIST",
  watch: "WATCH",
  create: "POST",
  update: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  deletecollection: "DELETECOLLECTION",
  // Of paths that are no resources.
  head: "GET",
  post: "POST",
};
/** Whatever others make up must not become a label. */
const OTHER = "OTHER";

/** How many objects there are of each resource (`widgets.example.com`). */
export type CountObjects = () => Iterable<readonly [resource: string, count: number]>;

/** Metrics under the names that dashboards for kube-apiserver read. */
export class Metrics {
  readonly #registry = new MetricRegistry();
  readonly #clock: Clock;
  readonly #requests: Counter;
  readonly #durations: Histogram;
  readonly #watches: Gauge;
  readonly #running: Gauge;
  readonly #store: Histogram;

  constructor(clock: Clock) {
    this.#clock = clock;
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: "apiserver_request_total",
      help: "Requests answered.",
      labelNames: [...REQUEST_LABELS, "code"],
      registers,
    });
    this.#durations = new Histogram({
      name: "apiserver_request_duration_seconds",
      help: "Seconds from a request to its answer; watches are left out.",
      labelNames: [...REQUEST_LABELS],
      buckets: REQUEST_BUCKETS,
      registers,
    });
    this.#watches = new Gauge({
      name: "apiserver_longrunning_requests",
      help: "Watches that are open.",
      labelNames: [...REQUEST_LABELS],
      registers,
    });
    this.#running = new Gauge({
      name: "apiserver_current_inflight_requests",
      help: "Requests that are being answered; watches are left out.",
      labelNames: ["request_kind"],
      registers,
    });
    this.#store = new Histogram({
      name: "etcd_request_duration_seconds",
      help: "Seconds that the store took.",
      labelNames: ["operation"],
      buckets: STORE_BUCKETS,
      registers,
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Has objects counted whenever somebody asks for the metrics. */
  countObjects(count: CountObjects): void {
    const objects = new Gauge({
      name: "apiserver_storage_objects",
      help: "Objects in the store.",
      labelNames: ["resource"],
      registers: [this.#registry],
      collect() {
        objects.reset();
        for (const [resource, number] of count()) objects.set({ resource }, number);
      },
    });
  }

  /** Counts a request as being answered until the returned function is called. */
  requestStarted({ verb }: RequestInfo): () => void {
    if (verb === "watch") return () => {};
    const kind = { request_kind: verb === "get" || verb === "list" || verb === "head" ? "readOnly" : "mutating" };
    this.#running.inc(kind);
    return () => this.#running.dec(kind);
  }

  /** `known`: the path is one of ours. */
  observe(info: RequestInfo, known: boolean, code: number, durationMs: number): void {
    const labels = labelsOf(info, known);
    this.#requests.inc({ ...labels, code });
    if (info.verb !== "watch") this.#durations.observe(labels, durationMs / 1000);
  }

  /** Counts a watch as open until the returned function is called. */
  watchOpened(info: RequestInfo): () => void {
    const labels = labelsOf(info, true);
    this.#watches.inc(labels);
    return () => this.#watches.dec(labels);
  }

  /** The same store, its calls measured. */
  measure(storage: Storage): Storage {
    const timed = async <T>(operation: string, call: () => Promise<T>): Promise<T> => {
      const startMs = this.#clock.monotonicMs();
      try {
        return await call();
      } finally {
        this.#store.observe({ operation }, (this.#clock.monotonicMs() - startMs) / 1000);
      }
    };
    return {
      get: (key) => timed("get", () => storage.get(key)),
      list: (prefix, page) => timed("list", () => storage.list(prefix, page)),
      create: (key, object, options) => timed("create", () => storage.create(key, object, options)),
      replace: (key, revision, object, options) =>
        timed("update", () => storage.replace(key, revision, object, options)),
      delete: (key, revision) => timed("delete", () => storage.delete(key, revision)),
      watch: (prefix, afterRevision, signal) => storage.watch(prefix, afterRevision, signal),
      currentRevision: () => timed("currentRevision", () => storage.currentRevision()),
      compact: (revision) => timed("compact", () => storage.compact(revision)),
      close: () => storage.close(),
    };
  }

  /** Prometheus text format. */
  async render(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

function labelsOf(info: RequestInfo, known: boolean): Record<(typeof REQUEST_LABELS)[number], string> {
  const { resourceRequest, group, version, resource, subresource, name, namespace } = info;
  const scope = name !== "" ? "resource" : namespace !== "" ? "namespace" : "cluster";
  const named = known && resourceRequest;
  return {
    verb: (known ? VERBS[info.verb] : undefined) ?? OTHER,
    group: named ? group : "",
    version: named ? version : "",
    resource: named ? resource : "",
    subresource: named ? subresource : "",
    scope: named ? scope : "",
  };
}
