import type { V3Document } from "./document.ts";

/** JSON objects of OpenAPI documents: what is in them is checked where they are made. */
export type Node = Readonly<Record<string, unknown>>;

export interface V2Document {
  readonly swagger: "2.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Node>>;
  readonly definitions: Readonly<Record<string, Node>>;
}

/**
 * All v3 documents as the one of OpenAPI v2 that kubectl still asks for: before 1.29 for everything, later to look
 * through the items of a `v1 List`. What v2 cannot say is left out, as a kube-apiserver does it for custom resources
 * (apiextensions-apiserver `controller/openapi/v2`).
 */
export function openApiV2(documents: readonly V3Document[], version: string): V2Document {
  const all = (of: (document: V3Document) => Readonly<Record<string, object>>): [string, Node][] =>
    documents
      .flatMap((document) => Object.entries(of(document)) as [string, Node][])
      .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    swagger: "2.0",
    info: { title: "Ferrite", version },
    paths: Object.fromEntries(all(({ paths }) => paths).map(([path, item]) => [path, pathItem(path, item)])),
    definitions: Object.fromEntries(
      all(({ components }) => components.schemas).map(([name, schema]) => [name, definition(schema)]),
    ),
  };
}

function pathItem(path: string, item: Node): Node {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    type: "string",
    uniqueItems: true,
  }));
  const operations = Object.entries(item).map(([method, each]) => [method, operation(each as Node)]);
  return { ...Object.fromEntries(operations), ...(inPath.length === 0 ? {} : { parameters: inPath }) };
}

function operation(given: Node): Node {
  const { parameters, requestBody, responses, ...rest } = given;
  const body = requestBody as { content: Readonly<Record<string, { schema: Node }>>; required: boolean } | undefined;
  const [type] = Object.values(body?.content ?? {});
  const bodyParameter = type && { name: "body", in: "body", required: body?.required, schema: toV2(type.schema) };
  const answers = Object.entries(responses as Record<string, { description: string; content: Node }>);
  return {
    ...rest,
    consumes: Object.keys(body?.content ?? { "*/*": {} }),
    produces: ["application/json", "application/yaml"],
    parameters: [...(bodyParameter === undefined ? [] : [bodyParameter]), ...(parameters as Node[]).map(parameter)],
    responses: Object.fromEntries(
      answers.map(([code, { description, content }]) => [
        code,
        { description, schema: toV2((content["application/json"] as { schema: Node }).schema) },
      ]),
    ),
  };
}

const parameter = ({ schema, ...rest }: Node): Node => ({ ...rest, ...(schema as Node) });

/** The root of a kind stays an object, whatever is in it. */
function definition(schema: Node): Node {
  const { type: _, ...rest } = toV2(schema);
  return { type: "object", ...rest };
}

/** One schema and all in it. */
export function toV2(schema: Node): Node {
  const { allOf, oneOf: _one, anyOf: _any, not: _not, nullable, properties, items, ...rest } = schema;
  const [reference] = (allOf ?? []) as Node[];
  const target = schema["$ref"] ?? reference?.["$ref"];
  if (typeof target === "string") {
    const description = schema["description"] === undefined ? {} : { description: schema["description"] };
    return { ...description, $ref: target.replace("#/components/schemas/", "#/definitions/") };
  }
  const out: Record<string, unknown> = { ...rest };
  const keeps = schema["x-kubernetes-preserve-unknown-fields"] === true;
  // What may be anything must not be looked into: clients that see properties refuse all others.
  if (nullable !== true && !keeps) {
    if (properties !== undefined) out["properties"] = mapValues(properties as Node, toV2);
    if (items !== undefined) out["items"] = toV2(items as Node);
  }
  if (typeof out["additionalProperties"] === "object") {
    out["additionalProperties"] = toV2(out["additionalProperties"] as Node);
  }
  const untyped = nullable === true || (keeps && out["type"] === "object");
  if (untyped || (out["type"] === "array" && out["items"] === undefined)) delete out["type"];
  const required = requiredOf(schema);
  if (required.length > 0) out["required"] = required;
  else delete out["required"];
  return out;
}

/** Less those that may be null. */
const requiredOf = ({ required, properties }: Node): readonly string[] =>
  ((required ?? []) as string[]).filter(
    (name) => ((properties as Node | undefined)?.[name] as Node | undefined)?.["nullable"] !== true,
  );

const mapValues = (object: Node, change: (value: Node) => Node): Node =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value as Node)]));
