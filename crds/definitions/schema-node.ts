/** A structural schema in the making: what goes into the CRD, plus what only the TypeScript type needs (`ts`). */
export interface SchemaNode {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly "x-kubernetes-int-or-string"?: true;
  readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: "granular" | "atomic";
  readonly "x-kubernetes-validations"?: readonly Rule[];
  readonly ts?: TypeHint;
}

/** One CEL rule. `fieldPath` names the field that the message is about when the rule stands on its parent. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
  readonly fieldPath?: string;
}

/** `name`: the interface gets this name, and equal fragments share it. `import`: the type is written elsewhere. */
export interface TypeHint {
  readonly name?: string;
  readonly import?: string;
}

/** Limits of a scalar; see JSON schema. */
type Limits = Pick<SchemaNode, "default" | "format" | "minimum" | "maximum" | "minLength" | "maxLength" | "pattern">;

const scalar = (type: SchemaNode["type"], description: string, limits: Limits): SchemaNode => ({
  ...(type === undefined ? {} : { type }),
  description,
  ...limits,
});

export const text = (description: string, limits: Limits = {}) => scalar("string", description, limits);
export const integer = (description: string, limits: Limits = {}) =>
  scalar("integer", description, { format: "int64", ...limits });
export const flag = (description: string, limits: Pick<Limits, "default"> = {}) =>
  scalar("boolean", description, limits);

/** A choice of fixed words. */
export const oneOf = (values: readonly string[], description: string, fallback?: string): SchemaNode => ({
  type: "string",
  description,
  enum: values,
  ...(fallback === undefined ? {} : { default: fallback }),
});

interface ObjectOptions {
  readonly name?: string;
  readonly rules?: readonly Rule[];
  readonly default?: unknown;
  readonly atomic?: boolean;
  readonly minProperties?: number;
}

/** An object; a field whose name ends in `!` is required. */
export function object(
  description: string,
  fields: Readonly<Record<string, SchemaNode>>,
  options: ObjectOptions = {},
): SchemaNode {
  const required = Object.keys(fields).flatMap((key) => (key.endsWith("!") ? [key.slice(0, -1)] : []));
  const properties = Object.fromEntries(Object.entries(fields).map(([key, node]) => [key.replace(/!$/, ""), node]));
  return {
    type: "object",
    description,
    ...(options.default === undefined ? {} : { default: options.default }),
    ...(options.minProperties === undefined ? {} : { minProperties: options.minProperties }),
    ...(required.length === 0 ? {} : { required }),
    properties,
    ...(options.atomic ? { "x-kubernetes-map-type": "atomic" } : {}),
    ...(options.rules === undefined || options.rules.length === 0 ? {} : { "x-kubernetes-validations": options.rules }),
    ...(options.name === undefined ? {} : { ts: { name: options.name } }),
  };
}

interface ListOptions {
  readonly max: number;
  readonly min?: number;
  /** Field names that make an item unique: server-side apply merges by them. `set`: scalars, each once. */
  readonly keys?: readonly string[] | "set";
  readonly rules?: readonly Rule[];
  readonly default?: readonly unknown[];
}

export function list(description: string, items: SchemaNode, options: ListOptions): SchemaNode {
  const { keys, max, min, rules } = options;
  return {
    type: "array",
    description,
    ...(options.default === undefined ? {} : { default: options.default }),
    ...(min === undefined ? {} : { minItems: min }),
    maxItems: max,
    items,
    "x-kubernetes-list-type": keys === undefined ? "atomic" : keys === "set" ? "set" : "map",
    ...(Array.isArray(keys) ? { "x-kubernetes-list-map-keys": keys } : {}),
    ...(rules === undefined ? {} : { "x-kubernetes-validations": rules }),
  };
}

/** On an object: `field` cannot be set, changed or removed after creation. */
export function immutable(field: string, why: string): Rule {
  return {
    rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} cannot be changed after creation: ${why}`,
    fieldPath: `.${field}`,
    reason: "FieldValueForbidden",
  };
}

/** On an object: exactly one of `fields` is there. */
export function exactlyOneOf(fields: readonly string[]): Rule {
  return {
    rule: `[${fields.map((field) => `has(self.${field})`).join(", ")}].filter(present, present).size() == 1`,
    message: `exactly one of ${fields.join(", ")} must be set`,
  };
}
