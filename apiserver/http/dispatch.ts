import type { User } from "../access/types.ts";
import type { Resource, Verb, VirtualResource } from "../registry/types.ts";
import { ApiError, notFound } from "../status.ts";
import type { ApiCall, CallNotes, Reply, VerbContext } from "../verbs/call.ts";
import { create } from "../verbs/create.ts";
import { deleteCollection } from "../verbs/delete-collection.ts";
import { deleteOne } from "../verbs/delete.ts";
import { get } from "../verbs/get.ts";
import { list } from "../verbs/list.ts";
import { patch } from "../verbs/patch.ts";
import { scale } from "../verbs/scale.ts";
import { update } from "../verbs/update.ts";
import { watch } from "../verbs/watch.ts";
import type { HttpRequest } from "./exchange.ts";
import { isTrue, type RequestInfo } from "./request-info.ts";

type Handler = (context: VerbContext, call: ApiCall) => Reply | Promise<Reply>;

const HANDLERS: Readonly<Record<Verb, Handler>> = {
  create,
  get,
  list,
  watch,
  update,
  patch,
  delete: deleteOne,
  deletecollection: deleteCollection,
};

export const unknownPath = (): ApiError =>
  new ApiError("NotFound", "the server could not find the requested resource", { details: {} });

export const methodNotAllowed = (why = "the server does not allow this method on the requested resource"): ApiError =>
  new ApiError("MethodNotAllowed", why, { details: {} });

/** What a path names when it is answered and not stored. */
export function findVirtual({ registry }: VerbContext, info: RequestInfo): VirtualResource | undefined {
  const found = registry.findVirtual(info.group, info.version, info.resource, info.subresource);
  if (found === undefined) return undefined;
  const misplaced = found.namespaced !== (info.namespace !== "") || (info.subresource === "") !== (info.name === "");
  if (misplaced || info.rest.length > 0) throw unknownPath();
  if (info.verb !== "create") throw methodNotAllowed();
  return found;
}

/** The resource that a path names; throws NotFound when the path is none of its own. */
export function findResource(context: VerbContext, info: RequestInfo): Resource {
  const resource = context.registry.find(info.group, info.version, info.resource);
  if (resource === undefined || info.rest.length > 0) throw unknownPath();
  const ownNamespace = resource.group === "" && resource.plural === "namespaces";
  if (!resource.namespaced && info.namespace !== "" && !ownNamespace) throw unknownPath();
  if (resource.namespaced && info.namespace === "" && info.name !== "") throw unknownPath();
  return resource;
}

/** Runs the verb that the request asks for. Throws ApiError and the storage's errors. */
export async function dispatch(
  context: VerbContext,
  resource: Resource,
  request: HttpRequest,
  info: RequestInfo,
  user: User,
  notes: CallNotes,
): Promise<Reply> {
  const handler = findHandler(resource, info, request.query);
  if (resource.deprecationWarning !== undefined) notes.warn(resource.deprecationWarning);
  const call: ApiCall = {
    resource,
    info,
    user,
    query: request.query,
    userAgent: request.header("user-agent") ?? "",
    contentType: request.header("content-type"),
    body: request.body,
    warn: notes.warn,
    sent: notes.sent,
    // Asked for by those few that wait: a signal costs more than most requests.
    get signal() {
      return request.signal;
    },
  };
  return handler(context, call);
}

function findHandler(resource: Resource, info: RequestInfo, query: URLSearchParams): Handler {
  const verb = resource.verbs.find((each) => each === info.verb);
  if (info.subresource !== "") return subresourceHandler(resource, info);
  if (resource.alwaysEmpty !== undefined && verb === "get") throw notFound(resource, info.name);
  if (verb === undefined) throw methodNotAllowed(resource.alwaysEmpty ?? resource.readOnly);
  // Collections are created in, objects are written.
  if (info.name === "" ? verb === "update" || verb === "patch" : verb === "create") throw methodNotAllowed();
  const acrossNamespaces = resource.namespaced && info.namespace === "";
  if (acrossNamespaces && verb !== "list" && verb !== "watch") throw methodNotAllowed();
  // A watch of one object is written as a get with `watch`.
  if (verb === "get" && isTrue(query.get("watch"))) return watchOne;
  return HANDLERS[verb];
}

const SUBRESOURCE_VERBS: readonly string[] = ["get", "update", "patch"];

function subresourceHandler(resource: Resource, { subresource, verb, name }: RequestInfo): Handler {
  if (resource.alwaysEmpty !== undefined) throw notFound(resource, name);
  if (subresource === "scale" && resource.scale !== undefined) {
    if (!SUBRESOURCE_VERBS.includes(verb)) throw methodNotAllowed();
    const paths = resource.scale;
    return (context, call) => scale(context, call, paths);
  }
  const custom = resource.custom[subresource];
  const known = custom !== undefined || (subresource === "status" && resource.status);
  if (!known) throw unknownPath();
  const allowed: readonly string[] = custom?.verbs ?? SUBRESOURCE_VERBS;
  if (!allowed.includes(verb)) throw methodNotAllowed();
  return verb === "get" ? get : verb === "update" ? update : patch;
}

const watchOne: Handler = (context, call) => {
  const query = new URLSearchParams(call.query);
  query.set("fieldSelector", `metadata.name=${call.info.name}`);
  return watch(context, { ...call, query });
};
