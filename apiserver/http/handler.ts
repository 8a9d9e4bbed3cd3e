import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { type Random, uuid } from "../../machinery/random.ts";
import type { AuditLog } from "../access/audit.ts";
import { forbidden } from "../access/forbidden.ts";
import { impersonate } from "../access/impersonate.ts";
import type { Attributes, Authenticator, Authorizer, User } from "../access/types.ts";
import { ANONYMOUS } from "../access/users.ts";
import { negotiateOutput, type Negotiated, TABLE_CONVERSIONS } from "../codec/media-type.ts";
import type { Metrics } from "../metrics.ts";
import { type ApiError, badRequest } from "../status.ts";
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
  readonly metrics: Metrics;
  readonly audit: Pick<AuditLog, "record"> | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const HEALTH_PATHS = /^\/(livez|readyz|healthz)(\/|$)/;

/** What becomes known of a request on its way: for the audit log and the metrics. */
interface Progress {
  info: RequestInfo | undefined;
  user: User;
  impersonated: User | undefined;
  attributes: Attributes | undefined;
  reason: string;
  /** The path is one of ours. */
  known: boolean;
}

/** Answers one request; whatever goes wrong becomes a Status. Never rejects. */
export async function handle(options: HandlerOptions, request: HttpRequest): Promise<HttpResponse> {
  const auditId = request.header("audit-id") ?? uuid(options.random);
  const [receivedAt, startMs] = [options.clock.now(), options.clock.monotonicMs()];
  const warnings: string[] = [];
  const progress: Progress = {
    info: undefined,
    user: ANONYMOUS,
    impersonated: undefined,
    attributes: undefined,
    reason: "",
    known: false,
  };
  let response: HttpResponse;
  let failure: ApiError | undefined;
  try {
    response = await answer(options, request, progress, (text) => warnings.push(text));
  } catch (error) {
    failure = toApiError(error);
    if (failure.reason === "InternalError") options.log.error({ err: error, path: request.path }, "request failed");
    response = errorResponse(failure);
  }
  const { info, attributes } = progress;
  if (info !== undefined) {
    options.metrics.observe(info, progress.known, response.status, options.clock.monotonicMs() - startMs);
  }
  if (attributes !== undefined) {
    const { user, impersonated, reason } = progress;
    options.audit?.record({
      auditId,
      user,
      impersonated,
      attributes,
      requestUri: request.query.size === 0 ? request.path : `${request.path}?${request.query.toString()}`,
      sourceIps: [request.remoteAddress],
      userAgent: request.header("user-agent") ?? "",
      receivedAt,
      answeredAt: options.clock.now(),
      responseCode: response.status,
      responseReason: failure?.reason,
      decision: failure?.reason === "Forbidden" ? "forbid" : "allow",
      reason,
    });
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
  progress: Progress,
  warn: (text: string) => void,
): Promise<HttpResponse> {
  const info = parseRequestInfo(request.method, request.path, request.query);
  if (info.path.includes("\0")) throw badRequest("the path holds a zero byte");
  progress.info = info;
  progress.attributes = attributesOf(info, ANONYMOUS, request.query);
  progress.user = (await options.authenticator.authenticate(request.credentials)) ?? ANONYMOUS;
  const user = await impersonate(progress.user, request.impersonation ?? {}, options.authorizer);
  if (user !== progress.user) progress.impersonated = user;
  progress.attributes = attributesOf(info, user, request.query);
  const { allowed, reason } = await options.authorizer.authorize(progress.attributes);
  progress.reason = reason;
  if (!allowed) throw forbidden(progress.attributes, reason);
  const response = await route(options, request, info, user, warn);
  progress.known = true;
  return response;
}

async function route(
  options: HandlerOptions,
  request: HttpRequest,
  info: RequestInfo,
  user: User,
  warn: (text: string) => void,
): Promise<HttpResponse> {
  if (info.resourceRequest) return resourceResponse(options, request, info, user, warn);
  if (HEALTH_PATHS.test(info.path)) {
    const health = await healthResponse(info.path, request.query, options.checks);
    if (health !== undefined) return health;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw methodNotAllowed();
  }
  if (info.path === "/metrics") {
    const { contentType, text } = await options.metrics.render();
    return { status: 200, headers: { "content-type": contentType }, body: text };
  }
  const document = documentResponse(options.documents, request);
  if (document === undefined) throw unknownPath();
  return document;
}

const attributesOf = (info: RequestInfo, user: User, query: URLSearchParams): Attributes => ({
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
});

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
  const measured = reply.kind === "watch" ? { ...reply, events: counted(options, info, reply.events) } : reply;
  return renderReply(measured, { resource, output, includeObject: include, now: () => options.clock.now() });
}

/** The same events; open watches are counted from the first to the last. */
async function* counted<T>(options: HandlerOptions, info: RequestInfo, events: AsyncIterable<T>): AsyncIterable<T> {
  const closed = options.metrics.watchOpened(info);
  try {
    yield* events;
  } finally {
    closed();
  }
}

const negotiate = (request: HttpRequest, { verb }: RequestInfo): Negotiated =>
  negotiateOutput(request.header("accept"), { conversions: TABLE_CONVERSIONS, watch: verb === "watch" });

function includeObject(query: URLSearchParams): Rendering["includeObject"] {
  const value = query.get("includeObject");
  if (value === null || value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(`includeObject must be None, Metadata or Object, found ${JSON.stringify(value)}`);
}
