import type { User } from "../access/types.ts";
import { decodeBody, strictDecodingError } from "../codec/body.ts";
import { bodyType } from "../codec/media-type.ts";
import type { HttpRequest } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import { asPresented } from "../objects/present.ts";
import type { VirtualResource } from "../registry/types.ts";
import { badRequest, invalid } from "../status.ts";
import { asObjectOf } from "./body.ts";
import type { CallNotes, Reply } from "./call.ts";
import { parseWriteOptions } from "./options.ts";

/** POST of something that is answered and not stored. Throws ApiError. */
export async function createVirtual(
  resource: VirtualResource,
  request: HttpRequest,
  info: RequestInfo,
  user: User,
  notes: CallNotes,
): Promise<Reply> {
  const options = parseWriteOptions("CreateOptions", request.query, request.header("user-agent") ?? "");
  const [group = "", version = ""] = resource.bodyApiVersion.includes("/")
    ? resource.bodyApiVersion.split("/")
    : ["", resource.bodyApiVersion];
  const target = { ...resource, group, version };
  const type = bodyType(request.header("content-type"), { protobuf: true });
  const { object, strictErrors } = decodeBody(await request.body(), type, target);
  const body = asObjectOf({ ...target, builtin: true }, object);
  notes.sent(body.metadata);
  const { namespace = "" } = body.metadata;
  if (namespace !== "" && namespace !== info.namespace) {
    throw badRequest(
      `the namespace of the provided object (${namespace}) does not match the namespace sent on the request (${info.namespace})`,
    );
  }
  const unknown = resource.compiled.prune(body).map((path) => `unknown field "${path}"`);
  const problems = [...strictErrors, ...unknown];
  if (problems.length > 0 && options.fieldValidation === "Strict") throw strictDecodingError(target, problems);
  if (options.fieldValidation === "Warn") for (const problem of problems) notes.warn(problem);
  resource.compiled.applyDefaults(body);
  const errors = resource.compiled.validate(body);
  if (errors.length > 0) throw invalid(target, info.name, errors);
  const answer = await resource.create({ user, namespace: info.namespace, name: info.name, body });
  return { kind: "object", code: 201, object: asPresented(answer) };
}
