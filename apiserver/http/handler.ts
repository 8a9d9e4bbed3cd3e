import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { ObjectMeta } from "../../machinery/object.ts";
import { type Random, uuid } from "../../machinery/random.ts";
import { forbidden } from "../access/forbidden.ts";
import { impersonate } from "../access/impersonate.ts";
import type { Attributes, Authenticator, Authorizer, User } from "../access/types.ts";
import { ANONYMOUS } from "../access/users.ts";
import { type ApiError, badRequest } from "../status.ts";
import type { CallNotes, VerbContext } from "../verbs/call.ts";
import { methodNotAllowed, unknownPath } from "./dispatch.ts";
import { type DocumentSources, documentResponse } from "./documents.ts";
import { errorResponse, toApiError } from "./errors.ts";
import type { HttpRequest, HttpResponse } from "./exchange.ts";
import { type HealthCheck, healthResponse } from "./health.ts";
import { noteAnswer, type Observers, type Progress, startProgress } from "./progress.ts";
import type { InFlight } from "./in-flight.ts";
import { parseRequestInfo, type RequestInfo } from "./request-info.ts";
import { resourceResponse, type ResourceServing } from "./resource-response.ts";

export interface HandlerOptions extends ResourceServing, Observers {
  readonly documents: DocumentSources;
  readonly checks: readonly HealthCheck[];
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const DOCUMENT_PATHS = /^\/(api|apis|openapi|openid|\.well-known|metrics|version)(\/|$)/;
const HEALTH_PATHS = /^\/(livez|readyz|healthz)(\/|$)/;

/** Answers one request; whatever goes wrong becomes a Status. Never rejects. */
export async function handle(options: HandlerOptions, request: HttpRequest): Promise<HttpResponse> {
  const progress = startProgress(request.header("audit-id") ?? uuid(options.random), options.clock);
  const warnings: string[] = [];
  let response: HttpResponse;
  let failure: ApiError | undefined;
  try {
    const sent = ({ namespace = "", name = "", uid = "", resourceVersion = "" }: ObjectMeta): void => {
      progress.sent = { namespace, name, uid, resourceVersion };
    };
    response = await answer(options, request, progress, { warn: (text) => warnings.push(text), sent });
  } catch (error) {
    failure = toApiError(error);
    if (failure.reason === "InternalError") options.log.error({ err: error, path: request.path }, "request failed");
    response = errorResponse(failure);
  }
  noteAnswer(options, request, progress, response.status, failure);
  const common = { "audit-id": progress.auditId, "cache-control": "no-cache, private" };
  return { ...response, headers: { ...common, ...warningHeaders(warnings), ...response.headers } };
}

const warningHeaders = (warnings: readonly string[]): HttpResponse["headers"] =>
  warnings.length === 0 ? {} : { warning: [...new Set(warnings)].map((text) => warningHeader(text)) };

/** RFC 7234 warning 299: quoted, without what cannot stand in a header. */
function warningHeader(text: string): string {
  const clean = text.replace(/[\r\n]+/g, " ").replace(/[^\x20-\x7e]/g, "?");
  return `299 - "${clean.replace(/[\\"]/g, "\\$&")}"`;
}

/** Who asks, whether he may, and then the answer. */
async function answer(
  options: HandlerOptions,
  request: HttpRequest,
  progress: Progress,
  notes: CallNotes,
): Promise<HttpResponse> {
  const info = parseRequestInfo(request.method, request.path, request.query);
  if (info.path.includes("\0")) throw badRequest("the path holds a zero byte");
  progress.info = info;
  progress.known = isKnown(options.context, info);
  progress.attributes = attributesOf(info, ANONYMOUS, request.query);
  progress.user = (await options.authenticator.authenticate(request.credentials)) ?? ANONYMOUS;
  const user = await impersonate(progress.user, request.impersonation ?? {}, options.authorizer);
  if (user !== progress.user) progress.impersonated = user;
  progress.attributes = attributesOf(info, user, request.query);
  const { allowed, reason } = await options.authorizer.authorize(progress.attributes);
  progress.reason = reason;
  if (!allowed) throw forbidden(progress.attributes, reason);
  const ended = options.metrics.requestStarted(info);
  try {
    return await options.inFlight.run(progress.attributes, () => route(options, request, info, user, notes));
  } finally {
    ended();
  }
}

/** Whether the path is one of ours, whoever asks for it and whatever comes of it. */
function isKnown({ registry }: VerbContext, info: RequestInfo): boolean {
  const { group, version, resource: plural, subresource } = info;
  if (!info.resourceRequest) return DOCUMENT_PATHS.test(info.path) || HEALTH_PATHS.test(info.path);
  if (registry.findVirtual(group, version, plural, subresource) !== undefined) return true;
  const resource = registry.find(group, version, plural);
  if (resource === undefined || subresource === "") return resource !== undefined;
  return subresource === "status" || subresource === "scale" || resource.custom[subresource] !== undefined;
}

async function route(
  options: HandlerOptions,
  request: HttpRequest,
  info: RequestInfo,
  user: User,
  notes: CallNotes,
): Promise<HttpResponse> {
  if (info.resourceRequest) return resourceResponse(options, request, info, user, notes);
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
  const document = await documentResponse(options.documents, request);
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
