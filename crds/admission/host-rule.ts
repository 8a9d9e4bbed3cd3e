import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../machinery/object.ts";
import { CLEANUP_FINALIZER, HOST_USER_PREFIX, HOSTS_GROUP } from "../constants.ts";
import { ALL_KINDS } from "../generated/kinds.ts";
import { type AdmissionRequest, type AdmissionRule, type FieldError, forbidden } from "./types.ts";

/**
 * Where an object names the hosts that it is about: the agents there may write its status and its cleanup finalizer.
 * Kinds that are not here are written by no agent.
 */
export const HOST_PATHS: Readonly<Record<string, readonly string[]>> = {
  hosts: ["metadata.name"],
  volumegroups: ["spec.hostName", "status.hostName"],
  volumes: ["status.hostName"],
  snapshots: ["status.hostName"],
  mirrorreplicas: ["spec.hostName"],
  hostpairs: ["spec.hosts"],
  exports: ["status.hostName"],
  imports: ["spec.hostName"],
  virtualmachines: ["status.hostName", "status.run.hostName"],
};

/** Hosts that an object of ours is about, by `HOST_PATHS`. */
export function hostsOf(plural: string, object: unknown): readonly string[] {
  return (HOST_PATHS[plural] ?? []).flatMap((path) => {
    const value = valueAt(object, path);
    return (Array.isArray(value) ? value : [value]).filter((host) => typeof host === "string" && host !== "");
  });
}

function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The host whose agent this user is. */
export function hostOfUser(user: AdmissionRequest["user"]): string | undefined {
  if (!user.groups.includes(HOSTS_GROUP) || !user.name.startsWith(HOST_USER_PREFIX)) return undefined;
  return user.name.slice(HOST_USER_PREFIX.length);
}

/** What an agent may write: beyond RBAC, only what is about its own host, and never what people ask for. */
export const hostRule: AdmissionRule = {
  name: "host-rule",
  kinds: ALL_KINDS,
  reads: [],
  check(request): readonly FieldError[] {
    const host = hostOfUser(request.user);
    if (host === undefined) return request.user.groups.includes(HOSTS_GROUP) ? [nameless(request)] : [];
    if (request.operation === "CREATE") return createErrors(host, request);
    if (request.operation === "DELETE") return [forbidden("", `the agent of host ${host} deletes nothing`)];
    const { object, old } = request;
    if (object === undefined || old === undefined) return [];
    if (!hostsOf(request.plural, old).includes(host))
      return [forbidden("", `this object is not about host ${host}, whose agent asks`)];
    return request.subresource === "status" ? statusErrors(host, object, old) : mainErrors(host, object, old);
  },
};

const nameless = ({ user }: AdmissionRequest) =>
  forbidden("", `${user.name} is in group ${HOSTS_GROUP} but names no host: ${HOST_USER_PREFIX}<host> was expected`);

function createErrors(host: string, { plural, object }: AdmissionRequest): readonly FieldError[] {
  if (plural === "hosts" && object?.metadata.name === host) return [];
  return [forbidden("", `the agent of host ${host} makes only the Host ${host}`)];
}

/** An agent reports where something is; it does not send it to another host. */
function statusErrors(host: string, object: KubeObject, old: KubeObject): readonly FieldError[] {
  const before = valueAt(old, "status.hostName");
  const after = valueAt(object, "status.hostName");
  if (after === before || after === host) return [];
  return [forbidden("status.hostName", `the agent of host ${host} cannot give the object to ${JSON.stringify(after)}`)];
}

/** Of the object itself an agent writes one thing: whether the cleanup finalizer is there. */
function mainErrors(host: string, object: KubeObject, old: KubeObject): readonly FieldError[] {
  if (isDeepStrictEqual(withoutFinalizer(object), withoutFinalizer(old))) return [];
  return [
    forbidden("", `the agent of host ${host} may change nothing but status and the finalizer ${CLEANUP_FINALIZER}`),
  ];
}

/** What the object says, without bookkeeping, status (the endpoint drops it) and our finalizer. */
function withoutFinalizer({ status: _status, metadata, ...rest }: KubeObject) {
  const {
    managedFields: _fields,
    resourceVersion: _version,
    generation: _generation,
    finalizers = [],
    ...meta
  } = metadata;
  return { ...rest, metadata: { ...meta, finalizers: finalizers.filter((name) => name !== CLEANUP_FINALIZER) } };
}
