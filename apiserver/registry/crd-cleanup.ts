import { formatTime, sleep } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Logger } from "../../machinery/log.ts";
import { ApiError } from "../status.ts";
import type { VerbContext } from "../verbs/call.ts";
import { deleteObject } from "../verbs/delete.ts";
import { serverCall } from "../verbs/server-call.ts";
import { writeExisting } from "../verbs/write-existing.ts";
import { CRD_FINALIZER } from "./crd-status.ts";
import { type CrdCondition, type CustomResourceDefinition, customResources } from "./custom-resources.ts";
import type { Resource } from "./types.ts";

const RETRY_MS = 1_000;

/**
 * Deletes the objects of definitions that are being deleted, then lets the definitions go. Begins anew after a crash; several
 * servers may do it at once. Objects with finalizers hold their definition until somebody has done what they stand for.
 */
export class CrdCleanup {
  readonly #context: VerbContext;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #running = new Map<string, Promise<void>>();

  constructor(context: VerbContext, log: Logger, signal: AbortSignal) {
    this.#context = context;
    this.#log = log;
    this.#signal = signal;
  }

  /** Begins the work on a definition if there is some. */
  consider(crd: CustomResourceDefinition): void {
    const { name = "", deletionTimestamp, finalizers = [] } = crd.metadata;
    if (deletionTimestamp === undefined || !finalizers.includes(CRD_FINALIZER) || this.#running.has(name)) return;
    const work = this.#untilGone(name, crd).finally(() => this.#running.delete(name));
    this.#running.set(name, work);
  }

  /** Resolves when nothing is under way any more. */
  async stopped(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #untilGone(name: string, crd: CustomResourceDefinition): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const left = await this.#deleteObjects(crd);
        await this.#report(name, left);
        if (left === 0) return;
      } catch (error) {
        if (error instanceof ApiError && error.reason === "NotFound") return;
        if (!this.#signal.aborted) this.#log.warn({ err: error, name }, "cannot clean up after a definition yet");
      }
      await sleep(this.#context.clock, RETRY_MS, this.#signal).catch(() => {});
    }
  }

  /** Deletes what is there; returns how many objects are left. */
  async #deleteObjects(crd: CustomResourceDefinition): Promise<number> {
    const [resource] = customResources({
      ...crd,
      spec: { ...crd.spec, versions: crd.spec.versions.map((version) => ({ ...version, served: version.storage })) },
    });
    if (resource === undefined) return 0;
    const cache = await this.#context.caches.of(resource);
    await cache.fresh();
    let left = 0;
    for (const { object } of cache.list().items) {
      if (await this.#deleteOne(resource, object)) left += 1;
    }
    return left;
  }

  /** True: finalizers hold it. */
  async #deleteOne(resource: Resource, { metadata }: KubeObject): Promise<boolean> {
    const { name = "", namespace = "", uid } = metadata;
    const preconditions = uid === undefined ? {} : { uid };
    try {
      const options = { dryRun: false, preconditions, propagation: undefined };
      return (await deleteObject(this.#context, serverCall(resource, namespace, name), name, options)).pending;
    } catch (error) {
      if (error instanceof ApiError && (error.reason === "NotFound" || error.reason === "Conflict")) return true;
      throw error;
    }
  }

  /** Writes the condition Terminating, and takes the finalizer away when nothing is left. */
  async #report(name: string, left: number): Promise<void> {
    const definitions = this.#context.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    if (definitions === undefined) return;
    const write = (subresource: string, change: (crd: CustomResourceDefinition) => void): Promise<unknown> =>
      writeExisting(this.#context, serverCall(definitions, "", name, subresource), {
        dryRun: false,
        change(live) {
          const next = structuredClone(live) as CustomResourceDefinition;
          change(next);
          return next;
        },
        track: () => {},
      });
    await write("status", (crd) => {
      crd.status = { ...crd.status, conditions: withTerminating(crd, left, formatTime(this.#context.clock.now())) };
    });
    if (left > 0) return;
    await write("", ({ metadata }) => {
      metadata.finalizers = (metadata.finalizers ?? []).filter((finalizer) => finalizer !== CRD_FINALIZER);
    });
  }
}

function withTerminating({ status }: CustomResourceDefinition, left: number, now: string): CrdCondition[] {
  const before = status?.conditions?.find(({ type }) => type === "Terminating");
  const done = left === 0;
  const terminating: CrdCondition = {
    type: "Terminating",
    status: done ? "False" : "True",
    reason: done ? "InstanceDeletionCompleted" : "InstanceDeletionInProgress",
    message: done ? "removed all instances" : `${left} instances remain, their finalizers are not done`,
    lastTransitionTime: before?.status === (done ? "False" : "True") ? before.lastTransitionTime : now,
  };
  return [...(status?.conditions ?? []).filter(({ type }) => type !== "Terminating"), terminating];
}
