import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { type Random, uuid } from "../../machinery/random.ts";
import { forbidden } from "../access/forbidden.ts";
import { impersonate } from "../access/impersonate.ts";
import type { Attributes, Authenticator, Authorizer, User } from "../access/types.ts";
import { negotiateOutput, type Negotiated, TABLE_CONVERSIONS } from "../codec/media-type.ts";
import { badRequest } from "../status.ts";
import type { VerbContext } from "../verbs/call.ts";
import { createVirtual } from "../verbs/create-virtual.ts";
import { dispatch, findResource, findVirtual, methodNotAllowed, unknownPath } from "./dispatch.ts";
import { type DocumentSources, documentResponse } from "./documents.ts";
import { errorResponse, toApiError } from "./errors.ts";
import type { HttpRequest, HttpResponse } from "./exchange.ts";
import { type HealthCheck, healthResponse } from "./health.ts";
import { JSON_HEADERS, type Rendering, renderReply } from "./render.ts";
import { parseRequestInfo, type RequestInfo } from "./request-info.ts";

export interface HandlerOptions {
  readonly context: VerbContext;
  readonly documents: DocumentSources;
  readonly checks: readonly HealthCheck[];
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const ANONYMOUS: User = { name: "system:anonymous", uid: "", groups: ["system:unauthenticated"], extra: {} };
const HEALTH_PATHS = /^\/(livez|readyz|healthz)(\/|$)/;

/** Answers one request; whatever goes wrong becomes a Status. Never rejects. */
export async function handle(options: HandlerOptions, request: HttpRequest): Promise<HttpResponse> {
  const auditId = request.header("audit-id") ?? uuid(options.random);
  const warnings: string[] = [];
  let response: HttpResponse;
  try {
    response = await answer(options, request, (text) => warnings.push(text));
  } catch (error) {
    const apiError = toApiError(error);
    if (apiError.reason === "InternalError") options.log.error({ err: error, path: request.path }, "request failed");
    response = errorResponse(apiError);
  }
  const common = { "audit-id": auditId, "cache-control": "no-cache, private" };
  const warning = warnings.length === 0 ? {} : { warning: [...new Set(warnings)].map((text) => warningHeader(text)) };
  return { ...response, headers: { ...common, ...warning, ...response.headers } };
}

/** RFC 7234 warning 299: quoted, without what cannot stand in a header. */
function warningHeader(text: string): string {
  const clean = text.replace(/[\r\n]+/g, " ").replace(/[^\x20-\x7e]/g, "?");
  return `299 - "${clean.replace(/[\\"]/g, "\\$&")}"`;
}

async function answer(
  options: HandlerOptions,
  request: HttpRequest,
  warn: (text: string) => void,
): Promise<HttpResponse> {
  const info = parseRequestInfo(request.method, request.path, request.query);
  if (info.path.includes("\0")) throw badRequest("the path holds a zero byte");
  const known = (await options.authenticator.authenticate(request.credentials)) ?? ANONYMOUS;
  const user = await impersonate(known, request.impersonation ?? {}, options.authorizer);
  await authorize(options, info, user, request.query);
  if (info.resourceRequest) return resourceResponse(options, request, info, user, warn);
  if (HEALTH_PATHS.test(info.path)) {
    const health = await healthResponse(info.path, request.query, options.checks);
    if (health !== undefined) return health;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw methodNotAllowed();
  }
  const document = documentResponse(options.documents, request);
  if (document === undefined) throw unknownPath();
  return document;
}

async function authorize(options: HandlerOptions, info: RequestInfo, user: User, query: URLSearchParams) {
  const attributes: Attributes = {
    user,
    verb: info.verb,
    namespace: info.namespace,
    apiGroup: info.group,
    apiVersion: info.version,
    resource: info.resource,
    subresource: info.subresource,
    name: info.name,
    resourceRequest: info.resourceRequest,
    path: info.path,
    ...optional("fieldSelector", query.get("fieldSelector")),
    ...optional("labelSelector", query.get("labelSelector")),
  };
  const { allowed, reason } = await options.authorizer.authorize(attributes);
  if (!allowed) throw forbidden(attributes, reason);
}

const optional = <K extends string>(key: K, value: string | null): { [P in K]?: string } =>
  value === null || value === "" ? {} : ({ [key]: value } as { [P in K]?: string });

async function resourceResponse(
  options: HandlerOptions,
  request: HttpRequest,
  info: RequestInfo,
  user: User,
  warn: (text: string) => void,
): Promise<HttpResponse> {
  const virtual = findVirtual(options.context, info);
  if (virtual !== undefined) {
    negotiateOutput(request.header("accept"), { conversions: [] });
    const reply = await createVirtual(virtual, request, info, user, warn);
    return { status: 201, headers: JSON_HEADERS, body: reply.kind === "object" ? reply.object.text : "" };
  }
  const resource = findResource(options.context, info);
  // First of all, so that a client that cannot read the answer has not changed anything.
  const output = negotiate(request, info);
  const include = includeObject(request.query);
  const reply = await dispatch(options.context, resource, request, info, user, warn);
  return renderReply(reply, { resource, output, includeObject: include, now: () => options.clock.now() });
}

const negotiate = (request: HttpRequest, { verb }: RequestInfo): Negotiated =>
  negotiateOutput(request.header("accept"), { conversions: TABLE_CONVERSIONS, watch: verb === "watch" });

function includeObject(query: URLSearchParams): Rendering["includeObject"] {
  const value = query.get("includeObject");
  if (value === null || value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(`includeObject must be None, Metadata or Object, found ${JSON.stringify(value)}`);
}
