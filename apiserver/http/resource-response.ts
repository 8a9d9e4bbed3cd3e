import type { Clock } from "../../machinery/clock.ts";
import type { User } from "../access/types.ts";
import { negotiateOutput, type Negotiated, TABLE_CONVERSIONS } from "../codec/media-type.ts";
import type { Metrics } from "../metrics.ts";
import { badRequest } from "../status.ts";
import type { CallNotes, VerbContext } from "../verbs/call.ts";
import { createVirtual } from "../verbs/create-virtual.ts";
import { dispatch, findResource, findVirtual } from "./dispatch.ts";
import type { HttpRequest, HttpResponse } from "./exchange.ts";
import { JSON_HEADERS, type Rendering, renderReply } from "./render.ts";
import type { RequestInfo } from "./request-info.ts";

export interface ResourceServing {
  readonly context: VerbContext;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Answers a request for a resource, stored or virtual. Throws ApiError and the storage's errors. */
export async function resourceResponse(
  { context, metrics, clock }: ResourceServing,
  request: HttpRequest,
  info: RequestInfo,
  user: User,
  notes: CallNotes,
): Promise<HttpResponse> {
  const virtual = findVirtual(context, info);
  if (virtual !== undefined) {
    negotiateOutput(request.header("accept"), { conversions: [] });
    const reply = await createVirtual(virtual, request, info, user, notes);
    return { status: 201, headers: JSON_HEADERS, body: reply.kind === "object" ? reply.object.text : "" };
  }
  const resource = findResource(context, info);
  // First of all, so that a client that cannot read the answer has not changed anything.
  const output = negotiate(request, info);
  const include = includeObject(request.query);
  const reply = await dispatch(context, resource, request, info, user, notes);
  const watchOpened = () => metrics.watchOpened(info);
  return renderReply(reply, { resource, output, includeObject: include, now: () => clock.now(), watchOpened });
}

const negotiate = (request: HttpRequest, { verb }: RequestInfo): Negotiated =>
  negotiateOutput(request.header("accept"), { conversions: TABLE_CONVERSIONS, watch: verb === "watch" });

function includeObject(query: URLSearchParams): Rendering["includeObject"] {
  const value = query.get("includeObject");
  if (value === null || value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(`includeObject must be None, Metadata or Object, found ${JSON.stringify(value)}`);
}
