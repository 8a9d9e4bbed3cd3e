import type { AdmissionRequest, Lister } from "../../../../crds/admission/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { ALL_KINDS } from "../../../../crds/generated/kinds.ts";

/** An object of ours in namespace default with a uid made from kind and name. */
export function object(
  kind: string,
  name: string,
  spec: Record<string, unknown>,
  rest: { readonly status?: Record<string, unknown>; readonly metadata?: Record<string, unknown> } = {},
): KubeObject {
  const type = ALL_KINDS.find((one) => one.kind === kind);
  if (type === undefined) throw new Error(`no kind ${kind}`);
  return {
    apiVersion: "ferrite.dev/v1alpha1",
    kind,
    metadata: { name, uid: `${kind}-${name}`, ...(type.namespaced ? { namespace: "default" } : {}), ...rest.metadata },
    spec,
    ...(rest.status === undefined ? {} : { status: rest.status }),
  };
}

export function lister(...objects: readonly KubeObject[]): Lister {
  return { list: <T>(type: { readonly kind: string }) => objects.filter(({ kind }) => kind === type.kind) as T[] };
}

const ADMIN = { name: "admin", groups: ["system:masters", "system:authenticated"] };
export const agent = (host: string) => ({
  name: `ferrite:host:${host}`,
  groups: ["ferrite:hosts", "system:authenticated"],
});

const pluralOf = (one: KubeObject) => ALL_KINDS.find(({ kind }) => kind === one.kind)?.plural ?? "";

export const creating = (one: KubeObject, change: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  operation: "CREATE",
  verb: "create",
  plural: pluralOf(one),
  subresource: "",
  object: one,
  old: undefined,
  user: ADMIN,
  ...change,
});

export const updating = (
  old: KubeObject,
  change: { readonly spec?: object; readonly status?: object; readonly metadata?: object },
  request: Partial<AdmissionRequest> = {},
): AdmissionRequest => ({
  operation: "UPDATE",
  verb: "update",
  plural: pluralOf(old),
  subresource: change.status === undefined ? "" : "status",
  object: {
    ...old,
    metadata: { ...old.metadata, ...change.metadata },
    ...(change.spec === undefined ? {} : { spec: { ...(old.spec as object), ...change.spec } }),
    ...(change.status === undefined ? {} : { status: { ...(old.status as object), ...change.status } }),
  },
  old,
  user: ADMIN,
  ...request,
});

export const deleting = (old: KubeObject, change: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  operation: "DELETE",
  verb: "delete",
  plural: pluralOf(old),
  subresource: "",
  object: undefined,
  old,
  user: ADMIN,
  ...change,
});
