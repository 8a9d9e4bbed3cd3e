import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import { bodyType } from "../codec/media-type.ts";
import { decodeBody, strictDecodingError } from "../codec/body.ts";
import { apiVersionOf } from "../objects/present.ts";
import type { Resource } from "../registry/types.ts";
import { isObject as isRecord } from "../schema/field-error.ts";
import { malformedMetadata } from "../schema/object-meta.ts";
import { badRequest } from "../status.ts";
import type { ApiCall } from "./call.ts";
import type { FieldValidation } from "./options.ts";

const MAX_WARNINGS_BYTES = 4096;

/** The object in the body, of the resource's own kind and version, pruned and with defaults. Throws ApiError. */
export async function readObject(call: ApiCall, validation: FieldValidation): Promise<KubeObject> {
  const type = bodyType(call.contentType, { protobuf: call.resource.builtin });
  const { object: value, strictErrors } = decodeBody(await call.body(), type, call.resource);
  const object = asObject(call, value);
  call.sent(object.metadata);
  settle(call, object, validation, strictErrors);
  return object;
}

/** Checks apiVersion, kind, metadata, namespace and name against the request. */
export function asObject({ resource, info }: ApiCall, value: unknown): KubeObject {
  const object = asObjectOf(resource, value);
  checkPlace(object, "namespace", resource.namespaced ? info.namespace : "");
  checkPlace(object, "name", info.name);
  return object;
}

/** A value as an object of one kind; built-in kinds may leave out which. Throws BadRequest. */
export function asObjectOf(
  resource: Pick<Resource, "group" | "version" | "kind" | "builtin">,
  value: unknown,
): KubeObject {
  if (!isRecord(value)) throw badRequest(`the body must be an object of kind ${resource.kind}`);
  const expected = apiVersionOf(resource);
  const implied = resource.builtin ? { apiVersion: expected, kind: resource.kind } : { apiVersion: "", kind: "" };
  const apiVersion = value["apiVersion"] || implied.apiVersion;
  const kind = value["kind"] || implied.kind;
  if (typeof kind !== "string" || kind === "") throw badRequest("Object 'Kind' is missing in the body");
  if (typeof apiVersion !== "string" || apiVersion === "")
    throw badRequest("Object 'apiVersion' is missing in the body");
  if (apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  if (kind !== resource.kind) {
    throw badRequest(`the kind in the data (${kind}) does not match the expected kind (${resource.kind})`);
  }
  const metadata = value["metadata"] ?? {};
  const problem = malformedMetadata(metadata);
  if (problem !== undefined) {
    throw badRequest(`${kind} in version "${resource.version}" cannot be handled as a ${kind}: ${problem}`);
  }
  return { ...value, apiVersion, kind, metadata: withoutEmpty(metadata as ObjectMeta) };
}

/** Empty text is how Go clients write that they have no value; null is the same. */
function withoutEmpty(metadata: ObjectMeta): ObjectMeta {
  const kept = { ...metadata };
  for (const key of Object.keys(kept) as (keyof ObjectMeta)[]) {
    const value: unknown = kept[key];
    if (value === "" || value === null) delete kept[key];
  }
  return kept;
}

/** The body may leave out name and namespace where the path has them, and may not contradict it. */
function checkPlace(object: KubeObject, field: "name" | "namespace", requested: string): void {
  const given = object.metadata[field] ?? "";
  if (given === requested || (field === "name" && requested === "")) return;
  if (given !== "") {
    throw badRequest(
      `the ${field} of the ${field === "name" ? "object" : "provided object"} (${given}) does not match the ` +
        `${field} ${field === "name" ? "on the URL" : "sent on the request"} (${requested})`,
    );
  }
  object.metadata[field] = requested;
}

/** Prunes, reports what was unknown or there twice as `validation` demands, and fills defaults; in place. */
export function settle(
  call: Pick<ApiCall, "resource" | "warn">,
  object: KubeObject,
  validation: FieldValidation,
  duplicates: readonly string[],
): void {
  const unknown = call.resource.compiled.prune(object).map((path) => `unknown field "${path}"`);
  const problems = [...duplicates, ...unknown];
  if (problems.length > 0 && validation === "Strict") throw strictDecodingError(call.resource, problems);
  if (validation === "Warn") warnAll(call, problems);
  call.resource.compiled.applyDefaults(object);
}

/** Warnings are headers: long lists are cut so that clients with small limits can still read the answer. */
function warnAll(call: Pick<ApiCall, "warn">, problems: readonly string[]): void {
  let bytes = 0;
  for (const problem of problems) {
    bytes += Buffer.byteLength(problem);
    call.warn(bytes > MAX_WARNINGS_BYTES ? problem.slice(0, 256) : problem);
    if (bytes > 2 * MAX_WARNINGS_BYTES) return;
  }
}

const DELETE_OPTIONS = { group: "", version: "v1", kind: "DeleteOptions" };

/** The DeleteOptions in the body of a delete; `undefined`: there is none. */
export async function readOptions(call: ApiCall): Promise<unknown> {
  const bytes = await call.body();
  if (bytes.length === 0) return undefined;
  return decodeBody(bytes, bodyType(call.contentType, { protobuf: true }), DELETE_OPTIONS).object;
}
