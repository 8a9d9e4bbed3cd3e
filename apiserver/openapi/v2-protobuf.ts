import { Writer } from "protobufjs";
import type { Node, V2Document } from "./v2-document.ts";

/**
 * An OpenAPI v2 document as protobuf: the only form in which kubectl takes it. Field numbers are those of gnostic's
 * `openapiv2/OpenAPIv2.proto`, version 1.0, package `openapi.v2`.
 */
export function encodeV2({ swagger, info, paths, definitions }: V2Document): Uint8Array {
  const document = Writer.create();
  text(document, 1, swagger);
  message(document, 2, (to) => {
    text(to, 1, info.title);
    text(to, 2, info.version);
  });
  message(document, 8, (to) => named(to, 2, paths, pathItem));
  message(document, 9, (to) => named(to, 1, definitions, schema));
  return document.finish();
}

type Fill = (to: Writer) => void;
type Encode = (to: Writer, value: Node) => void;

const BYTES = 2;
const VARINT = 0;
const DOUBLE = 1;

function tag(to: Writer, field: number, wireType: number): Writer {
  return to.uint32((field << 3) | wireType);
}

/** Absent and of the wrong type are left out alike. */
function text(to: Writer, field: number, value: unknown): void {
  if (typeof value === "string") tag(to, field, BYTES).string(value);
}

function texts(to: Writer, field: number, values: unknown): void {
  for (const value of (values ?? []) as unknown[]) text(to, field, value);
}

function truth(to: Writer, field: number, value: unknown): void {
  if (value === true) tag(to, field, VARINT).bool(true);
}

function message(to: Writer, field: number, fill: Fill): void {
  tag(to, field, BYTES).fork();
  fill(to);
  to.ldelim();
}

/** A map as a list of names with values. */
function named(to: Writer, field: number, map: unknown, encode: Encode): void {
  for (const [name, value] of Object.entries((map ?? {}) as Record<string, Node>)) {
    message(to, field, (entry) => {
      text(entry, 1, name);
      message(entry, 2, (inner) => encode(inner, value));
    });
  }
}

/** `Any` holds YAML, of which JSON is a part. */
const any =
  (value: unknown): Fill =>
  (to) =>
    text(to, 2, JSON.stringify(value));

function extensions(to: Writer, field: number, of: Node): void {
  for (const [name, value] of Object.entries(of)) {
    if (!name.startsWith("x-")) continue;
    message(to, field, (entry) => {
      text(entry, 1, name);
      message(entry, 2, any(value));
    });
  }
}

const METHODS = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function pathItem(to: Writer, item: Node): void {
  for (const [method, field] of Object.entries(METHODS)) {
    const found = item[method] as Node | undefined;
    if (found !== undefined) message(to, field, (inner) => operation(inner, found));
  }
  parameters(to, 9, item["parameters"]);
}

function operation(to: Writer, of: Node): void {
  texts(to, 1, of["tags"]);
  text(to, 3, of["description"]);
  texts(to, 6, of["produces"]);
  texts(to, 7, of["consumes"]);
  parameters(to, 8, of["parameters"]);
  // Responses, of them NamedResponseValue with a ResponseValue that is a Response with a SchemaItem.
  message(to, 9, (responses) =>
    named(responses, 1, of["responses"], (value, each) =>
      message(value, 1, (response) => {
        text(response, 1, each["description"]);
        message(response, 2, (item) => message(item, 1, (inner) => schema(inner, each["schema"] as Node)));
      }),
    ),
  );
  extensions(to, 13, of);
}

/** ParametersItem, in it a Parameter, in that one of body or another place. */
function parameters(to: Writer, field: number, list: unknown): void {
  for (const each of (list ?? []) as Node[]) {
    message(to, field, (item) =>
      message(item, 1, (parameter) => {
        if (each["in"] === "body") message(parameter, 1, (inner) => bodyParameter(inner, each));
        else if (each["in"] === "query") message(parameter, 2, (of) => message(of, 3, (to) => simple(to, each, 6)));
        else message(parameter, 2, (of) => message(of, 4, (to) => simple(to, each, 5)));
      }),
    );
  }
}

function bodyParameter(to: Writer, of: Node): void {
  text(to, 1, of["description"]);
  text(to, 2, of["name"]);
  text(to, 3, of["in"]);
  truth(to, 4, of["required"]);
  message(to, 5, (inner) => schema(inner, of["schema"] as Node));
}

/** A parameter of the query or of the path: they differ in the number of `type`, and of what follows it. */
function simple(to: Writer, of: Node, typeField: number): void {
  truth(to, 1, of["required"]);
  text(to, 2, of["in"]);
  text(to, 3, of["description"]);
  text(to, 4, of["name"]);
  text(to, typeField, of["type"]);
  truth(to, typeField + 14, of["uniqueItems"]);
}

const NUMBERS = { multipleOf: 6, maximum: 7, minimum: 9 } as const;
const FLAGS = { exclusiveMaximum: 8, exclusiveMinimum: 10, uniqueItems: 16 } as const;
const COUNTS = {
  maxLength: 11,
  minLength: 12,
  maxItems: 14,
  minItems: 15,
  maxProperties: 17,
  minProperties: 18,
} as const;
const TEXTS = { $ref: 1, format: 2, title: 3, description: 4, pattern: 13 } as const;

function schema(to: Writer, of: Node): void {
  for (const [name, field] of Object.entries(TEXTS)) text(to, field, of[name]);
  for (const [name, field] of Object.entries(FLAGS)) truth(to, field, of[name]);
  for (const [name, field] of Object.entries(NUMBERS)) {
    if (typeof of[name] === "number") tag(to, field, DOUBLE).double(of[name]);
  }
  for (const [name, field] of Object.entries(COUNTS)) {
    if (typeof of[name] === "number") tag(to, field, VARINT).int64(of[name]);
  }
  if (of["default"] !== undefined) message(to, 5, any(of["default"]));
  texts(to, 19, of["required"]);
  for (const value of (of["enum"] ?? []) as unknown[]) message(to, 20, any(value));
  const more = of["additionalProperties"];
  // AdditionalPropertiesItem: a schema, or whether any are allowed.
  if (typeof more === "boolean") message(to, 21, (item) => tag(item, 2, VARINT).bool(more));
  else if (more !== undefined) message(to, 21, (item) => message(item, 1, (inner) => schema(inner, more as Node)));
  if (of["type"] !== undefined) message(to, 22, (item) => text(item, 1, of["type"]));
  const items = of["items"] as Node | undefined;
  if (items !== undefined) message(to, 23, (item) => message(item, 1, (inner) => schema(inner, items)));
  if (of["properties"] !== undefined) message(to, 25, (inner) => named(inner, 1, of["properties"], schema));
  extensions(to, 31, of);
}
