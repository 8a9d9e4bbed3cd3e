import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { FieldError } from "../status.ts";
import {
  childPath,
  goNumber,
  goQuote,
  indexPath,
  invalidValue,
  jsonType,
  NO_FIELD,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from "./field-error.ts";
import { formatCheck } from "./formats.ts";
import { getOwn } from "./node.ts";
import { compilePattern } from "./regex.ts";
import type { SchemaNode } from "./types.ts";

/** Errors beyond these are not reported: a hostile object of a few megabytes can have a million. */
const MAX_ERRORS = 100;

/** Whether a failed check at this place (keys and indices from the root) does not count. */
export type Excuse = (pointer: readonly string[]) => boolean;

/**
 * The value validations of a schema (all but list types and CEL) as one function, compiled by ajv. It returns what a
 * kube-apiserver says of each failed check that is not excused.
 */
export function compileValues(schema: SchemaNode): (object: unknown, isExcused: Excuse) => readonly FieldError[] {
  const ajv = newAjv();
  const validate = ajv.compile(translate(schema));
  return (object, isExcused) => {
    if (validate(object)) return [];
    const errors: FieldError[] = [];
    for (const error of validate.errors ?? []) {
      if (errors.length === MAX_ERRORS) break;
      if (!isExcused(pointerOf(error))) errors.push(toFieldError(error, object));
    }
    return errors;
  };
}

type AjvSchema = Record<string, unknown>;

function newAjv(): Ajv {
  const ajv = new Ajv({
    allErrors: true,
    strict: false,
    ownProperties: true,
    validateSchema: false,
    addUsedSchema: false,
    logger: false,
    multipleOfPrecision: 9,
    code: { optimize: false, regExp: Object.assign(re2, { code: "re2" }) },
  });
  for (const keyword of ["kubeAllOf", "kubeAnyOf", "kubeOneOf", "kubeNot"] as const) {
    ajv.addKeyword({ keyword, errors: "full", compile: (parts: AjvSchema[]) => junctor(ajv, keyword, parts) });
  }
  ajv.addKeyword({ keyword: "kubeFormat", errors: true, type: "string", compile: formatKeyword });
  ajv.addKeyword({ keyword: "kubeSafeInteger", errors: true, type: "number", compile: () => safeInteger });
  return ajv;
}

/** A pattern that does not compile matches nothing; CRDs with one are refused, so it comes from a foreign etcd only. */
function re2(pattern: string): { test(text: string): boolean } {
  try {
    return compilePattern(pattern);
  } catch {
    return { test: () => false };
  }
}

/** JSON Schema for ajv. Junctors become keywords of our own, whose errors are merged as kube-openapi does. */
function translate(node: SchemaNode): AjvSchema {
  const out: AjvSchema = {};
  const types = node["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : node.type ? [node.type] : [];
  if (types.length > 0) out["type"] = node.nullable === true ? [...types, "null"] : types;
  for (const key of PLAIN) if (node[key] !== undefined) out[key] = node[key];
  if (node.enum !== undefined && node.enum.length > 0) out["enum"] = node.enum;
  limit(out, "minimum", "exclusiveMinimum", node.minimum, node.exclusiveMinimum);
  limit(out, "maximum", "exclusiveMaximum", node.maximum, node.exclusiveMaximum);
  if (node.format !== undefined && formatCheck(node.format) !== undefined) out["kubeFormat"] = node.format;
  if (types.includes("integer")) out["kubeSafeInteger"] = true;
  if (node.properties !== undefined) {
    out["properties"] = Object.fromEntries(Object.entries(node.properties).map(([k, v]) => [k, translate(v)]));
  }
  if (typeof node.additionalProperties === "object") out["additionalProperties"] = translate(node.additionalProperties);
  else if (node.additionalProperties === false) out["additionalProperties"] = false;
  if (node.items !== undefined) out["items"] = translate(node.items);
  for (const [key, keyword] of JUNCTORS) if (node[key]?.length) out[keyword] = node[key].map(translate);
  if (node.not !== undefined) out["kubeNot"] = [translate(node.not)];
  return out;
}

const PLAIN = [
  "multipleOf",
  "minLength",
  "maxLength",
  "pattern",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "required",
] as const;
const JUNCTORS = [
  ["allOf", "kubeAllOf"],
  ["anyOf", "kubeAnyOf"],
  ["oneOf", "kubeOneOf"],
] as const;

function limit(out: AjvSchema, inclusive: string, exclusive: string, value?: number, isExclusive?: boolean): void {
  if (value !== undefined) out[isExclusive === true ? exclusive : inclusive] = value;
}

interface KeywordFunction {
  (data: unknown, context?: { instancePath: string }): boolean;
  errors?: Partial<ErrorObject>[];
}

function formatKeyword(format: string): KeywordFunction {
  const check = formatCheck(format);
  const validate: KeywordFunction = (data) => {
    validate.errors = [{ keyword: "format", params: { format } }];
    return typeof data !== "string" || check === undefined || check(data);
  };
  return validate;
}

/** Beyond 2^53 the JSON decoder has rounded the number: what would be stored is not what was sent. */
const safeInteger: KeywordFunction = (data) => {
  safeInteger.errors = [{ keyword: "safeInteger", params: {} }];
  return typeof data !== "number" || !Number.isInteger(data) || Number.isSafeInteger(data);
};

function junctor(ajv: Ajv, keyword: "kubeAllOf" | "kubeAnyOf" | "kubeOneOf" | "kubeNot", parts: AjvSchema[]) {
  const branches = parts.map((part) => ajv.compile(part));
  const validate: KeywordFunction = (data, context) => {
    if (data === null) return true;
    const at = context?.instancePath ?? "";
    const failures = branches.map((branch) => errorsOf(branch, data, at));
    validate.errors = merge(keyword, failures, at);
    return validate.errors.length === 0;
  };
  return validate;
}

function errorsOf(branch: ValidateFunction, data: unknown, at: string): Partial<ErrorObject>[] {
  if (branch(data)) return [];
  return (branch.errors ?? []).map((error) => ({ ...error, instancePath: at + error.instancePath }));
}

/** kube-openapi's schemaPropsValidator: one sentence for the junctor, then the errors of the branch that came nearest. */
function merge(keyword: string, failures: Partial<ErrorObject>[][], at: string): Partial<ErrorObject>[] {
  const valid = failures.filter((errors) => errors.length === 0).length;
  const sentence = (text: string): Partial<ErrorObject> => ({ keyword: "junctor", instancePath: at, params: { text } });
  const nearest = failures.reduce((best, errors) => (errors.length < best.length ? errors : best), failures[0] ?? []);
  switch (keyword) {
    case "kubeNot":
      return valid > 0 ? [sentence("must not validate the schema (not)")] : [];
    case "kubeAnyOf":
      return valid > 0 ? [] : [sentence("must validate at least one schema (anyOf)"), ...nearest];
    case "kubeOneOf": {
      if (valid === 1) return [];
      const found = valid === 0 ? "Found none valid" : `Found ${valid} valid alternatives`;
      return [sentence(`must validate one and only one schema (oneOf). ${found}`), ...(valid === 0 ? nearest : [])];
    }
    default: {
      if (valid === failures.length) return [];
      return [
        ...failures.flat(),
        sentence(`must validate all the schemas (allOf)${valid === 0 ? ". None validated" : ""}`),
      ];
    }
  }
}

const pointerOf = (error: ErrorObject): string[] =>
  error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));

/** `spec.disks[0].size` (an index or a name, as the object itself has it) and the value there. */
function locate(pointer: readonly string[], object: unknown): { readonly path: string; readonly data: unknown } {
  let data = object;
  let path = "";
  for (const part of pointer) {
    path = Array.isArray(data) ? indexPath(path, Number(part)) : childPath(path, part);
    data = typeof data === "object" && data !== null ? getOwn(data as Record<string, unknown>, part) : undefined;
  }
  return { path, data };
}

/** Texts of kube-openapi's `errors/schema.go`, turned into field errors as apiextensions-apiserver does. */
function toFieldError(error: ErrorObject, object: unknown): FieldError {
  const { path, data } = locate(pointerOf(error), object);
  const { params } = error;
  const should = (text: string, value: unknown = data): FieldError =>
    invalidValue(path === "" ? NO_FIELD : path, value, `${path} in body should ${text}`);
  const limitOf = (): number => params["limit"] as number;
  switch (error.keyword) {
    case "required":
      return required(childPath(path, params["missingProperty"] as string));
    case "type":
      return wrongType(path, params["type"] as string[], data);
    case "enum":
      return notSupported(path, data, (params["allowedValues"] as unknown[]).map(enumText));
    case "format":
      return typeInvalid(path, data, `${path} in body must be of type ${params["format"]}: ${goQuote(String(data))}`);
    case "pattern":
      return should(`match '${params["pattern"]}'`);
    case "maxLength":
      return tooLong(path, limitOf());
    case "minLength":
      return should(`be at least ${limitOf()} chars long`);
    case "maxItems":
      return tooMany(path, (data as unknown[]).length, limitOf());
    case "minItems":
      return should(`have at least ${limitOf()} items`, (data as unknown[]).length);
    case "maxProperties":
      return tooMany(path, Object.keys(data as object).length, limitOf());
    case "minProperties":
      return should(`have at least ${limitOf()} properties`, Object.keys(data as object).length);
    case "minimum":
      return should(`be greater than or equal to ${goNumber(limitOf())}`);
    case "maximum":
      return should(`be less than or equal to ${goNumber(limitOf())}`);
    case "exclusiveMinimum":
      return should(`be greater than ${goNumber(limitOf())}`);
    case "exclusiveMaximum":
      return should(`be less than ${goNumber(limitOf())}`);
    case "multipleOf":
      return should(`be a multiple of ${goNumber(params["multipleOf"] as number)}`);
    case "safeInteger":
      return should("be between -9007199254740991 and 9007199254740991, beyond which integers lose precision");
    case "additionalProperties": {
      const property = params["additionalProperty"] as string;
      return invalidValue(path, property, `${path}.${property} in body is a forbidden property`);
    }
    case "junctor":
      return invalidValue(NO_FIELD, "", `${goQuote(path)} ${params["text"]}`);
    default:
      return should(`satisfy ${error.keyword}: ${error.message ?? "it does not"}`);
  }
}

function wrongType(path: string, types: string | readonly string[], data: unknown): FieldError {
  const wanted = [types].flat().filter((type, index, all) => type !== "null" || all.length === 1);
  const actual = jsonType(data);
  const detail = `${path} in body must be of type ${wanted.join(",")}: ${goQuote(actual)}`;
  return typeInvalid(path === "" ? NO_FIELD : path, actual, detail);
}

const enumText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
