import { isObject } from "../field-error.ts";
import type { SchemaNode } from "../types.ts";
import { escapeName } from "./escape.ts";
import { parseDuration } from "./library.ts";
import { CelObject } from "./object.ts";

/** What rules see of a part of a schema: its type, how to make values of it, and how big they can be. */
export interface CelType {
  /** Type expression of the engine: `int`, `list<string>`, `object3`. */
  readonly name: string;
  /** Most elements of a list or map, most characters of a string. */
  readonly maxSize: number;
  /** Fewest bytes of such a value as JSON. */
  readonly minBytes: number;
  readonly element?: CelType;
  /** Fields of an object by escaped name. */
  readonly fields?: ReadonlyMap<string, CelField>;
  /** Turns a JSON value into a value of the engine. Throws when it does not fit the type. */
  convert(value: unknown): unknown;
}

export interface CelField {
  readonly name: string;
  readonly type: CelType;
}

/** An object type as the engine must know it: values are Maps of that class, which convert fields when they are read. */
export interface ObjectType {
  readonly name: string;
  readonly fields: ReadonlyMap<string, CelField>;
  readonly ctor: new (raw: Readonly<Record<string, unknown>>) => Map<string, unknown>;
}

/** The body limit of requests: nothing can be bigger. */
export const MAX_BYTES = 3 * 1024 * 1024;

const scalar = (name: string, maxSize: number, minBytes: number, convert: (value: unknown) => unknown): CelType => ({
  name,
  maxSize,
  minBytes,
  convert,
});

const toInt = (value: unknown): unknown => (typeof value === "number" ? BigInt(value) : value);
const same = (value: unknown): unknown => value;

const INT = scalar("int", 1, 1, toInt);
const DOUBLE = scalar("double", 1, 1, same);
const BOOL = scalar("bool", 1, 4, same);
/** Values whose type is only known when they are there. */
export const DYN = scalar("dyn", MAX_BYTES, 1, (value) => (Number.isInteger(value) ? toInt(value) : value));
const META_STRING = scalar("string", 253, 2, same);

/** Builds the types of one schema; object types are numbered and collected for registration. */
export class TypeBuilder {
  readonly objects: ObjectType[] = [];
  /** Rules at several levels see the same parts: each has one type. */
  readonly #known = new Map<SchemaNode, CelType | undefined>();

  /** The type of a node, or undefined when rules cannot see it (unknown fields preserved without a schema). */
  build(schema: SchemaNode, isResource: boolean): CelType | undefined {
    if (isResource || !this.#known.has(schema)) this.#known.set(schema, this.#build(schema, isResource));
    return this.#known.get(schema);
  }

  #build(schema: SchemaNode, isResource: boolean): CelType | undefined {
    const type = this.#plain(schema, isResource);
    if (type === undefined || schema.nullable !== true) return type;
    return { ...type, name: "dyn", convert: (value) => (value === null ? null : type.convert(value)) };
  }

  #plain(schema: SchemaNode, isResource: boolean): CelType | undefined {
    if (schema["x-kubernetes-int-or-string"] === true) return DYN;
    switch (schema.type) {
      case "boolean":
        return BOOL;
      case "integer":
        return INT;
      case "number":
        return DOUBLE;
      case "string":
        return stringType(schema);
      case "array":
        return this.#list(schema);
      case "object":
        return this.#object(schema, isResource || schema["x-kubernetes-embedded-resource"] === true);
      case undefined:
      default:
        return undefined;
    }
  }

  #list(schema: SchemaNode): CelType | undefined {
    const element = schema.items === undefined ? undefined : this.build(schema.items, false);
    if (element === undefined) return undefined;
    return {
      name: `list<${element.name}>`,
      element,
      maxSize: schema.maxItems ?? Math.floor((MAX_BYTES - 2) / (element.minBytes + 1)),
      minBytes: 2,
      convert: (value) => (Array.isArray(value) ? value.map((item) => element.convert(item)) : value),
    };
  }

  #object(schema: SchemaNode, isResource: boolean): CelType | undefined {
    if (typeof schema.additionalProperties === "object") return this.#map(schema, schema.additionalProperties);
    const fields = new Map<string, CelField>(isResource ? this.#resourceFields() : []);
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const escaped = escapeName(name);
      const isMeta = isResource && ["apiVersion", "kind", "metadata"].includes(name);
      const type = escaped === undefined || isMeta ? undefined : this.build(property, false);
      if (escaped !== undefined && type !== undefined) fields.set(escaped, { name, type });
    }
    const isOpaque = schema["x-kubernetes-preserve-unknown-fields"] === true && fields.size === 0;
    return isOpaque ? undefined : this.#objectType(fields);
  }

  /** Of its metadata, rules see only the names of an object. */
  #resourceFields(): [string, CelField][] {
    const names = ["name", "generateName"].map((name) => [name, { name, type: META_STRING }] as [string, CelField]);
    return [
      ["apiVersion", { name: "apiVersion", type: META_STRING }],
      ["kind", { name: "kind", type: META_STRING }],
      ["metadata", { name: "metadata", type: this.#objectType(new Map(names)) }],
    ];
  }

  #objectType(fields: ReadonlyMap<string, CelField>): CelType {
    // The engine keeps type names for ever: numbers from one are shared by all schemas.
    const name = `object${this.objects.length + 1}`;
    const ctor = objectClass(fields);
    this.objects.push({ name, fields, ctor });
    return { name, fields, maxSize: 1, minBytes: 2, convert: (value) => (isObject(value) ? new ctor(value) : value) };
  }

  #map(schema: SchemaNode, values: SchemaNode): CelType | undefined {
    const element = this.build(values, false);
    if (element === undefined) return undefined;
    return {
      name: `map<string, ${element.name}>`,
      element,
      maxSize: schema.maxProperties ?? Math.floor((MAX_BYTES - 2) / (element.minBytes + 6)),
      minBytes: 2,
      convert: (value) =>
        isObject(value) ? new Map(Object.entries(value).map(([key, entry]) => [key, element.convert(entry)])) : value,
    };
  }
}

/** A class of its own for each type: it is by the class of a value that the engine knows the type. */
function objectClass(fields: ReadonlyMap<string, CelField>): ObjectType["ctor"] {
  return class extends CelObject {
    constructor(raw: Readonly<Record<string, unknown>>) {
      super(fields, raw);
    }
  };
}

const FORMAT_SIZES: Readonly<Record<string, number>> = {
  date: 10,
  datetime: 35,
  duration: 32,
  ipv4: 15,
  ipv6: 45,
  uuid: 36,
};

function stringType(schema: SchemaNode): CelType {
  const format = (schema.format ?? "").replaceAll("-", "");
  const enumSize = schema.enum?.reduce<number>((most, value) => Math.max(most, JSON.stringify(value).length), 0);
  const maxSize = schema.maxLength ?? enumSize ?? FORMAT_SIZES[format] ?? MAX_BYTES - 2;
  switch (format) {
    case "byte":
      return scalar("bytes", maxSize, 2, (value) => (typeof value === "string" ? Buffer.from(value, "base64") : value));
    case "date":
    case "datetime":
      return scalar("google.protobuf.Timestamp", maxSize, 2, toTimestamp);
    case "duration":
      return scalar("google.protobuf.Duration", maxSize, 2, parseDuration);
    default:
      return scalar("string", maxSize, 2 + (schema.minLength ?? 0), same);
  }
}

function toTimestamp(value: unknown): Date {
  const date = new Date(String(value));
  if (Number.isNaN(date.getTime())) throw new Error(`${JSON.stringify(value)} is not a time`);
  return date;
}
