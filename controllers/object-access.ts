import type { RestClient } from "../client/rest.ts";
import type { Cache } from "../client/store.ts";
import type { EventRecorder } from "../machinery/event-recorder.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import type { ObjectAccess, Reconciled } from "../reconcilers/object-access.ts";
import { StatusWriter } from "./status-writer.ts";

export interface ObjectAccessOptions<T extends Reconciled> {
  readonly type: ResourceType<T>;
  readonly cache: Cache<T>;
  readonly client: Pick<RestClient, "apply" | "patch">;
  readonly events: EventRecorder;
  /** `ferrite-<controller>` or `ferrite-agent-<host>`. */
  readonly fieldManager: string;
}

/** Objects of one kind as reconcilers read and write them: from a cache, through the API. */
export function objectAccess<T extends Reconciled>(options: ObjectAccessOptions<T>): ObjectAccess<T> {
  const { type, cache, client, events, fieldManager } = options;
  const status = new StatusWriter({ client, fieldManager });
  // Generated types are read-only to the bottom already: what a cache hands out is a T.
  const asOwn = (object: unknown) => object as T;
  /** Refused with a Conflict when the object has changed: the list of finalizers is replaced as a whole. */
  const setFinalizers = async (object: T, finalizers: readonly string[]): Promise<void> => {
    const {
      name,
      namespace = "",
      resourceVersion,
    } = object.metadata as Reconciled["metadata"] & {
      readonly resourceVersion?: string;
    };
    const metadata = { finalizers: [...finalizers], ...(resourceVersion ? { resourceVersion } : {}) };
    await client.patch(type, { namespace, name }, { kind: "merge", body: { metadata } });
  };
  return {
    get: ({ namespace, name }) => {
      const found = cache.get(namespace, name);
      return found === undefined ? undefined : asOwn(found);
    },
    list: () => cache.list().map(asOwn),
    async addFinalizer(object, finalizer) {
      const { finalizers = [] } = object.metadata;
      if (!finalizers.includes(finalizer)) await setFinalizers(object, [...finalizers, finalizer]);
    },
    async removeFinalizer(object, finalizer) {
      const { finalizers = [] } = object.metadata;
      if (finalizers.includes(finalizer))
        await setFinalizers(
          object,
          finalizers.filter((each) => each !== finalizer),
        );
    },
    async writeStatus(object, own) {
      await status.write(type, object, own);
    },
    event: (object, eventType, reason, message) => events.record(object, { type: eventType, reason, message }),
  };
}
