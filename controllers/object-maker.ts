import { isAlreadyExists, isNotFound } from "../client/errors.ts";
import { type ApiObject, apiVersion } from "../client/api-object.ts";
import type { RestClient } from "../client/rest.ts";
import type { Cache } from "../client/store.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { covers, ownFields, ownsMore } from "./applied.ts";
import type { Made, ObjectMaker, ObjectReader, Reconciled } from "../reconcilers/object-access.ts";

type Named = Pick<Reconciled, "metadata">;

/** Objects of one kind as reconcilers read them: from a cache. */
export function objectReader<T extends Named>(cache: Cache<T>): ObjectReader<T> {
  return {
    // Generated types are read-only to the bottom already: what a cache hands out is a T.
    get: ({ namespace, name }) => cache.get(namespace, name) as T | undefined,
    list: () => cache.list() as T[],
  };
}

/** Whether an apply would change nothing, as far as the cache knows; a change that it has not seen yet wakes the pass again. */
function isThere(current: unknown, wanted: ApiObject, fieldManager: string): boolean {
  if (current === undefined) return false;
  const { metadata } = current as ApiObject;
  const own = ownFields(metadata.managedFields, fieldManager, "");
  return own !== undefined && covers(current, wanted) && !ownsMore(own, wanted);
}

/** Objects that a controller makes for another one. */
export function objectMaker<T extends Named>(options: {
  readonly type: ResourceType<T>;
  readonly cache: Cache<T>;
  readonly client: Pick<RestClient, "apply" | "create" | "delete">;
  readonly fieldManager: string;
}): ObjectMaker<T> {
  const { type, cache, client, fieldManager } = options;
  const body = (object: Made<T>): ApiObject => {
    const { name, namespace, labels, annotations, ownerReferences } = object.metadata;
    return {
      ...object,
      apiVersion: apiVersion(type),
      kind: type.kind,
      metadata: {
        ...(name === undefined ? {} : { name }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
        ...(ownerReferences === undefined ? {} : { ownerReferences }),
      },
    };
  };
  return {
    ...objectReader(cache),
    async apply(object) {
      const { namespace = "", name = "" } = object.metadata;
      const wanted = body(object);
      if (!isThere(cache.get(namespace, name), wanted, fieldManager))
        await client.apply(type, wanted, { fieldManager, force: true });
    },
    async create(object) {
      try {
        await client.create(type, body(object) as T & ApiObject);
        return "created";
      } catch (error) {
        if (isAlreadyExists(error)) return "taken";
        throw error;
      }
    },
    async delete(object) {
      const { name, namespace, uid } = object.metadata;
      try {
        await client.delete(
          type,
          namespace === undefined ? { name } : { namespace, name },
          uid === undefined ? {} : { uid },
        );
      } catch (error) {
        if (!isNotFound(error)) throw error; // gone already
      }
    },
  };
}
