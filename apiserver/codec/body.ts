import type { Json, JsonObject } from "../../machinery/object.ts";
import { ApiError, badRequest } from "../status.ts";
import { decodeJson } from "./json.ts";
import type { Decoded } from "./json.ts";
import { PROTOBUF_TYPE, YAML_TYPE } from "./media-type.ts";
import type { BodyType } from "./media-type.ts";
import { decodeProtobuf } from "./protobuf/decode.ts";
import { decodeYaml } from "./yaml.ts";

/** The kind that an endpoint takes. */
export interface BodyTarget {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface DecodedBody {
  readonly object: JsonObject;
  /** Duplicate fields: an error with fieldValidation=Strict, warnings with Warn, nothing with Ignore. */
  readonly strictErrors: readonly string[];
}

/** Decodes a request body into an object. Throws BadRequest in kube-apiserver's words when it is none. */
export function decodeBody(body: Uint8Array, type: BodyType, target: BodyTarget): DecodedBody {
  try {
    if (type === PROTOBUF_TYPE) return { object: decodeProtobuf(body, target), strictErrors: [] };
    return asObject(type === YAML_TYPE ? decodeYaml(body) : decodeJson(body));
  } catch (cause) {
    if (isOtherRefusal(cause)) throw cause;
    const hint = type === PROTOBUF_TYPE ? "" : "couldn't get version/kind; json parse error: ";
    const what = `the object provided is unrecognized (must be of type ${target.kind})`;
    throw badRequest(`${what}: ${hint}${textOf(cause)} (${summary(body)})`, { cause });
  }
}

/** Decodes the body of an apply patch (YAML, or JSON which is YAML). Throws BadRequest. */
export function decodeApplyPatch(body: Uint8Array): DecodedBody {
  try {
    return asObject(decodeYaml(body));
  } catch (cause) {
    if (isOtherRefusal(cause)) throw cause;
    throw badRequest(`error decoding YAML: ${textOf(cause)}`, { cause });
  }
}

/** Decodes the body of a JSON patch (a list) or a merge patch (an object). Throws BadRequest. */
export function decodePatch(body: Uint8Array): { readonly patch: Json; readonly strictErrors: readonly string[] } {
  try {
    const { value, duplicates } = decodeJson(body);
    return { patch: value, strictErrors: duplicates };
  } catch (cause) {
    throw badRequest(`error decoding patch: ${textOf(cause)}`, { cause });
  }
}

/** What fieldValidation=Strict answers: `Widget in version "v1" cannot be handled as a Widget: strict decoding error: …`. */
export function strictDecodingError({ kind, version }: BodyTarget, errors: readonly string[]): ApiError {
  const what = `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}`;
  return badRequest(`${what}: strict decoding error: ${errors.join(", ")}`);
}

function asObject({ value, duplicates }: Decoded): DecodedBody {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return { object: value, strictErrors: duplicates };
  throw badRequest(`json: cannot unmarshal ${goKind(value)} into Go value of type map[string]interface {}`);
}

function goKind(value: Json): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : value === null ? "null" : typeof value;
}

/** Refused for another reason than being unreadable: too large. */
const isOtherRefusal = (cause: unknown): boolean => cause instanceof ApiError && cause.reason !== "BadRequest";

/** The first bytes of what could not be read: as text when it looks like JSON, else in hex. */
function summary(body: Uint8Array): string {
  if (body.length === 0) return "<empty>";
  const start = Buffer.from(body.subarray(0, 30)).toString(body[0] === 0x7b ? "utf8" : "hex");
  return body.length > 30 ? `${start} ...` : start;
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
