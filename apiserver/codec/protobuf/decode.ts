import protobuf from "protobufjs/minimal.js";
import type { Json, JsonObject } from "../../../machinery/object.ts";
import { badRequest } from "../../status.ts";
import type { BodyTarget } from "../body.ts";
import { decodeJson } from "../json.ts";
import { MESSAGES, messageOf } from "./messages.ts";
import { instant, integer, intOrString } from "./values.ts";

type Reader = protobuf.Reader;

/** `k8s\0`, then a runtime.Unknown that carries apiVersion, kind and the message. */
const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0);

/**
 * Decodes `application/vnd.kubernetes.protobuf` into the object that the JSON decoder would have given for the same
 * request. Throws BadRequest for anything but one whole message of a kind that we serve.
 */
export function decodeProtobuf(body: Uint8Array, target: BodyTarget): JsonObject {
  if (!MAGIC.every((byte, i) => body[i] === byte)) {
    throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  try {
    return decodeEnvelope(body.subarray(MAGIC.length), target);
  } catch (cause) {
    if (cause instanceof RangeError) throw badRequest("proto: unexpected EOF", { cause });
    if (cause instanceof Error && cause.constructor === Error) throw badRequest(`proto: ${cause.message}`, { cause });
    throw cause;
  }
}

interface Envelope {
  typeMeta?: { apiVersion?: string; kind?: string };
  raw?: Uint8Array;
}

function decodeEnvelope(bytes: Uint8Array, target: BodyTarget): JsonObject {
  const envelope: Envelope = decodeMessage(protobuf.Reader.create(bytes), bytes.length, "Unknown", {});
  const ownVersion = target.group === "" ? target.version : `${target.group}/${target.version}`;
  const { apiVersion = ownVersion, kind = target.kind } = envelope.typeMeta ?? {};
  const message = messageOf(apiVersion, kind);
  if (message === undefined)
    throw badRequest(`no kind "${kind}" is registered for version "${apiVersion}" as protobuf`);
  const raw = envelope.raw ?? new Uint8Array();
  return { apiVersion, kind, ...decodeMessage(protobuf.Reader.create(raw), raw.length, message, {}) };
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly form: "single" | "list" | "map";
  readonly keepZero: boolean;
}

const fieldsOf = new Map<string, Map<number, Field>>();

function fields(message: string): Map<number, Field> {
  const known = fieldsOf.get(message);
  if (known !== undefined) return known;
  const parsed = new Map(Object.entries(MESSAGES[message] ?? {}).map(([tag, text]) => [Number(tag), parseField(text)]));
  fieldsOf.set(message, parsed);
  return parsed;
}

function parseField(text: string): Field {
  const keepZero = text.endsWith("!");
  const [name = "", ...words] = (keepZero ? text.slice(0, -1) : text).split(" ");
  const form = words[0] === "list" || words[0] === "map" ? words[0] : "single";
  return { name, type: words.at(-1) ?? "", form, keepZero };
}

/** Reads one message up to `end` into `into`; a repeated single message field is merged, as protobuf demands. */
function decodeMessage<T extends object>(reader: Reader, end: number, message: string, into: T): T {
  const known = fields(message);
  const object = into as Record<string, unknown>;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = known.get(tag >>> 3);
    if (tag >>> 3 === 0) throw badRequest("proto: illegal tag 0");
    if (field === undefined) reader.skipType(tag & 7);
    else readField(reader, tag & 7, field, object);
  }
  if (reader.pos !== end) throw new RangeError("message runs over its end");
  return into;
}

function readField(reader: Reader, wireType: number, field: Field, object: Record<string, unknown>): void {
  if (wireType !== wireTypeOf(field)) throw badRequest(`proto: wrong wireType = ${wireType} for field ${field.name}`);
  if (field.form === "map") {
    const map = (object[field.name] ??= {}) as Record<string, unknown>;
    readEntry(reader, field, map);
    return;
  }
  const value = readValue(reader, field.type, field.form === "single" ? object[field.name] : undefined);
  if (field.form === "list") ((object[field.name] ??= []) as unknown[]).push(value);
  else if (value !== undefined && (field.keepZero || !isZero(value))) object[field.name] = value;
  else if (!field.keepZero) delete object[field.name];
}

/** A map entry is a message of its own: 1 is the key, 2 the value. */
function readEntry(reader: Reader, field: Field, map: Record<string, unknown>): void {
  const end = limit(reader);
  let key = "";
  let value: unknown;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) value = readValue(reader, field.type, undefined);
    else reader.skipType(tag & 7);
  }
  if (reader.pos !== end) throw new RangeError("map entry runs over its end");
  if (key === "__proto__") throw badRequest(`field name "__proto__" is not allowed`);
  map[key] = value ?? (field.type === "ExtraValue" ? [] : "");
}

const VARINTS = new Set(["int32", "int64", "bool"]);

function wireTypeOf({ form, type }: Field): number {
  return form === "single" && VARINTS.has(type) ? 0 : 2;
}

function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
}

function limit(reader: Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError("length runs over the end");
  return end;
}

function readValue(reader: Reader, type: string, existing: unknown): unknown {
  switch (type) {
    case "string":
      return reader.string();
    case "int32":
      return reader.int32();
    case "int64":
      return integer(reader.int64());
    case "bool":
      return reader.bool();
    case "bytes":
      return Buffer.from(reader.bytes()).toString("base64");
    case "rawBytes":
      return reader.bytes();
    default:
      return readNested(reader, type, existing);
  }
}

function readNested(reader: Reader, type: string, existing: unknown): unknown {
  const end = limit(reader);
  switch (type) {
    case "time":
    case "microTime":
      return instant(reader, end, type);
    case "intOrString":
      return intOrString(reader, end);
    case "quantity":
    case "rawJson":
    case "ExtraValue":
      return readWrapped(reader, end, type);
    default:
      return decodeMessage(reader, end, type, typeof existing === "object" && existing !== null ? existing : {});
  }
}

/** Messages whose only field (1) is the value itself. */
function readWrapped(reader: Reader, end: number, type: "quantity" | "rawJson" | "ExtraValue"): Json {
  const parts: Uint8Array[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) parts.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  if (type === "ExtraValue") return parts.map((part) => Buffer.from(part).toString("utf8"));
  const last = parts.at(-1) ?? new Uint8Array();
  if (type === "quantity") return Buffer.from(last).toString("utf8");
  return last.length === 0 ? {} : decodeJson(last).value;
}
