import type { ObjectMeta, OwnerReference } from "../machinery/object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";

/** What the client needs to know of an object; generated types have more. */
export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ReadonlyMeta;
}

/** metav1.ObjectMeta as it may come from a cache: lists that nobody changes. */
interface ReadonlyMeta extends Readonly<Omit<ObjectMeta, "finalizers" | "ownerReferences" | "managedFields">> {
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly Readonly<OwnerReference>[];
  readonly managedFields?: readonly FieldOwner[];
}

/** metav1.ManagedFieldsEntry, as far as clients look at it. */
export interface FieldOwner {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly fieldsV1?: unknown;
}

/** Which object: `namespace` is absent (or "") in cluster scope. */
export interface ObjectKey {
  readonly namespace?: string;
  readonly name: string;
}

export function apiVersion(type: Pick<ResourceType, "group" | "version">): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** `widgets.example.com`, or `configmaps` for the core group: how a resource is named to people. */
export function resourceName(type: Pick<ResourceType, "group" | "plural">): string {
  return type.group === "" ? type.plural : `${type.plural}.${type.group}`;
}

/** URL path of a collection (all namespaces when none is given), an object or a subresource. */
export function resourcePath(
  type: ResourceType,
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
