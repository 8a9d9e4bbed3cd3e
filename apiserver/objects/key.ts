import type { KubeObject } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";

/** The key of one object: `<prefix>/<namespace>/<name>`, or `<prefix>/<name>` for cluster-scoped kinds. */
export function objectKey(resource: Resource, namespace: string, name: string): string {
  return resource.namespaced ? `${resource.storagePrefix}/${namespace}/${name}` : `${resource.storagePrefix}/${name}`;
}

/** The prefix of all keys in a namespace, or of all keys (`namespace` empty). Ends in `/`. */
export function collectionPrefix(resource: Resource, namespace: string): string {
  return resource.namespaced && namespace !== ""
    ? `${resource.storagePrefix}/${namespace}/`
    : `${resource.storagePrefix}/`;
}

/** What a message calls an object: its name, or its generateName before it has one. */
export const nameOf = (object: KubeObject): string => object.metadata.name ?? object.metadata.generateName ?? "";
