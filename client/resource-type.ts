import type { ObjectMeta } from "../machinery/object.ts";

/** What the client needs to know of an object; generated types have more. */
export interface ApiObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** A resource of the API. */
export interface ResourceId {
  /** "" is the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The name in URLs: plural, lower case. */
  readonly plural: string;
  readonly namespaced: boolean;
}

/** A resource together with the TypeScript type of its objects. */
export interface ResourceType<T extends ApiObject> extends ResourceId {
  /** Never set: ties `T` to the value. */
  readonly object?: T;
}

/** Which object: `namespace` is absent (or "") in cluster scope. */
export interface ObjectKey {
  readonly namespace?: string;
  readonly name: string;
}

export function apiVersion(type: Pick<ResourceId, "group" | "version">): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** `widgets.example.com`, or `configmaps` for the core group: how a resource is named to people. */
export function resourceName(type: Pick<ResourceId, "group" | "plural">): string {
  return type.group === "" ? type.plural : `${type.plural}.${type.group}`;
}

/** URL path of a collection (all namespaces when none is given), an object or a subresource. */
export function resourcePath(
  type: ResourceId,
  where: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string },
): string {
  const root = type.group === "" ? ["api", type.version] : ["apis", type.group, type.version];
  const namespace = type.namespaced && where.namespace ? ["namespaces", where.namespace] : [];
  const parts = [...root, ...namespace, type.plural, where.name, where.subresource].filter(
    (part) => part !== undefined,
  );
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

/** `namespace/name`, or `name` in cluster scope. */
export function objectKey(object: {
  readonly metadata: { readonly namespace?: string; readonly name?: string };
}): string {
  const { namespace, name = "" } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}
