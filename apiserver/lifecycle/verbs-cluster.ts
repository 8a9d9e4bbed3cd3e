import type { KubeObject } from "../../machinery/object.ts";

import { collectionPrefix, objectKey } from "../objects/key.ts";
import { present } from "../objects/present.ts";
import type { Resource } from "../registry/types.ts";
import { ApiError } from "../status.ts";
import { listAll } from "../storage/list-all.ts";
import type { VerbContext } from "../verbs/call.ts";
import { createObject } from "../verbs/create.ts";
import { deleteObject } from "../verbs/delete.ts";
import { serverCall } from "../verbs/server-call.ts";
import { writeExisting } from "../verbs/write-existing.ts";
import type { Cluster, ClusterUpdate, DeleteCondition, Place } from "./cluster.ts";

class AnotherObject extends Error {}

const isReason = (error: unknown, ...reasons: readonly string[]): boolean =>
  error instanceof ApiError && reasons.includes(error.reason);

/** The cluster behind the verbs of this process. */
export class VerbsCluster implements Cluster {
  readonly #context: VerbContext;
  #known: { readonly generation: number; readonly resources: readonly Resource[] } | undefined;

  constructor(context: VerbContext) {
    this.#context = context;
  }

  resources(): readonly Resource[] {
    const { registry } = this.#context;
    if (this.#known?.generation !== registry.generation) {
      const stored = registry.all().filter((each) => each.alwaysEmpty === undefined && each.conversion === undefined);
      const one = new Map(stored.toReversed().map((each) => [each.storagePrefix, each]));
      this.#known = { generation: registry.generation, resources: [...one.values()] };
    }
    return this.#known.resources;
  }

  async get({ resource, namespace, name }: Place): Promise<KubeObject | undefined> {
    const { stored } = await this.#context.storage.get(objectKey(resource, namespace, name));
    return stored === undefined ? undefined : present(resource, stored).object;
  }

  async list(resource: Resource, namespace = ""): Promise<readonly KubeObject[]> {
    const { items } = await listAll(this.#context.storage, collectionPrefix(resource, namespace));
    return items.map((stored) => present(resource, stored).object);
  }

  async create(resource: Resource, object: KubeObject): Promise<"created" | "exists"> {
    const { namespace = "", name = "" } = object.metadata;
    const call = serverCall(resource, namespace, name);
    try {
      await createObject(this.#context, call, structuredClone(object), { dryRun: false }, () => {});
      return "created";
    } catch (error) {
      // NotFound and Forbidden: the namespace went, or is going.
      if (isReason(error, "AlreadyExists", "NotFound", "Forbidden")) return "exists";
      throw error;
    }
  }

  async update({ resource, namespace, name }: Place, write: ClusterUpdate): Promise<"written" | "absent"> {
    try {
      await writeExisting(this.#context, serverCall(resource, namespace, name, write.subresource), {
        dryRun: false,
        change(live) {
          if (write.uid !== undefined && live.metadata.uid !== write.uid) throw new AnotherObject();
          return write.change(structuredClone(live)) ?? structuredClone(live);
        },
        track: () => {},
      });
      return "written";
    } catch (error) {
      if (error instanceof AnotherObject || isReason(error, "NotFound")) return "absent";
      throw error;
    }
  }

  async delete(
    { resource, namespace, name }: Place,
    condition: DeleteCondition,
  ): Promise<"deleted" | "absent" | "changed"> {
    const { uid, resourceVersion, propagation } = condition;
    try {
      await deleteObject(this.#context, serverCall(resource, namespace, name), name, {
        dryRun: false,
        preconditions: { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
        propagation,
      });
      return "deleted";
    } catch (error) {
      if (isReason(error, "NotFound")) return "absent";
      if (isReason(error, "Conflict")) return "changed";
      throw error;
    }
  }
}
