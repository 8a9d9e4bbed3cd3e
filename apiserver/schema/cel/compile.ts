import type { Environment } from "@marcbachmann/cel-js";
import { resolveFieldPath } from "../field-path.ts";
import type { SchemaNode, ValidationRule } from "../types.ts";
import { type CelMacro, type CelNode, reads, visitNodes } from "./ast.ts";
import { estimateCost } from "./cost.ts";
import { celEqual } from "./equality.ts";
import { BASE, RENAMED } from "./library.ts";
import type { Meter } from "./meter.ts";
import { type CelType, TypeBuilder } from "./types.ts";

/** One expression, ready to run; `cost` is its static estimate. */
export interface Program {
  run(variables: Readonly<Record<string, unknown>>): unknown;
  readonly cost: number;
}

/** A rule, or why it is none. */
export interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program: Program | undefined;
  readonly message: Program | undefined;
  readonly usesOldSelf: boolean;
  /** `fieldPath` as errors print it. */
  readonly fieldPath: string;
  /** What is wrong with the rule and with its messageExpression. */
  readonly error: string | undefined;
  readonly messageError: string | undefined;
}

/** The rules of a node and of what is below it; nodes without any are left out. */
export interface RuleNode {
  readonly schema: SchemaNode;
  readonly type: CelType | undefined;
  readonly rules: readonly CompiledRule[];
  readonly properties: ReadonlyMap<string, RuleNode>;
  readonly additional: RuleNode | undefined;
  readonly items: RuleNode | undefined;
}

/** Compiles all rules of a schema; undefined when it has none. */
export function compileRules(
  root: SchemaNode,
  options: { readonly isResource: boolean; readonly meter: Meter },
): RuleNode | undefined {
  if (!hasRules(root)) return undefined;
  const builder = new TypeBuilder();
  const plan = planNode(root, options.isResource, builder);
  const env = BASE.clone();
  for (const { name, ctor, fields } of builder.objects) {
    const types = Object.fromEntries([...fields].map(([field, { type }]) => [field, type.name]));
    env.registerType(name, { ctor, fields: types });
  }
  for (const { name } of builder.objects) env.registerOperator(`${name} == ${name}`, celEqual);
  return plan === undefined ? undefined : compileNode(plan, env, options.meter);
}

/** Like RuleNode, before the types are known to the engine. */
interface Plan {
  readonly schema: SchemaNode;
  readonly type: CelType | undefined;
  readonly properties: readonly (readonly [string, Plan])[];
  readonly additional: Plan | undefined;
  readonly items: Plan | undefined;
}

function hasRules(schema: SchemaNode): boolean {
  if ((schema["x-kubernetes-validations"]?.length ?? 0) > 0) return true;
  const { additionalProperties, items, properties } = schema;
  const isBelow = [items, typeof additionalProperties === "object" ? additionalProperties : undefined];
  return [...isBelow, ...Object.values(properties ?? {})].some((child) => child !== undefined && hasRules(child));
}

function planNode(schema: SchemaNode, isResource: boolean, builder: TypeBuilder): Plan | undefined {
  if (!hasRules(schema)) return undefined;
  const { additionalProperties, items } = schema;
  const own = (schema["x-kubernetes-validations"]?.length ?? 0) > 0;
  return {
    schema,
    type: own ? builder.build(schema, isResource) : undefined,
    properties: Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
      const plan = planNode(child, false, builder);
      return plan === undefined ? [] : [[name, plan] as const];
    }),
    additional: typeof additionalProperties === "object" ? planNode(additionalProperties, false, builder) : undefined,
    items: items === undefined ? undefined : planNode(items, false, builder),
  };
}

function compileNode(plan: Plan, env: Environment, meter: Meter): RuleNode {
  const { schema, type } = plan;
  return {
    schema,
    type,
    rules: (schema["x-kubernetes-validations"] ?? []).map((rule) => compileRule(rule, schema, type, env, meter)),
    properties: new Map(plan.properties.map(([name, child]) => [name, compileNode(child, env, meter)])),
    additional: plan.additional === undefined ? undefined : compileNode(plan.additional, env, meter),
    items: plan.items === undefined ? undefined : compileNode(plan.items, env, meter),
  };
}

function compileRule(
  rule: ValidationRule,
  schema: SchemaNode,
  type: CelType | undefined,
  base: Environment,
  meter: Meter,
): CompiledRule {
  const broken = {
    rule,
    program: undefined,
    message: undefined,
    usesOldSelf: false,
    fieldPath: "",
    messageError: undefined,
  };
  if (type === undefined) {
    const preserve = schema["x-kubernetes-preserve-unknown-fields"] === true;
    const error = `rule declared on schema that does not support validation rules type: '${schema.type ?? ""}' x-kubernetes-preserve-unknown-fields: '${preserve}'`;
    return { ...broken, error };
  }
  const old = rule.optionalOldSelf === true ? `optional<${type.name}>` : type.name;
  const env = base.clone().registerVariable("self", type.name).registerVariable("oldSelf", old);
  const program = compileProgram(rule.rule, "bool", { env, type, meter });
  if (typeof program === "string") {
    return {
      ...broken,
      error: program === WRONG_TYPE ? "cel expression must evaluate to a bool" : `compilation failed: ${program}`,
    };
  }
  const message = rule.messageExpression
    ? compileProgram(rule.messageExpression, "string", { env, type, meter })
    : undefined;
  return {
    rule,
    program,
    usesOldSelf: program.usesOldSelf,
    message: typeof message === "string" ? undefined : message,
    messageError: typeof message === "string" ? messageProblem(message) : undefined,
    fieldPath: rule.fieldPath ? fieldPathOf(rule.fieldPath, schema) : "",
    error: undefined,
  };
}

const messageProblem = (problem: string): string =>
  problem === WRONG_TYPE
    ? "messageExpression must evaluate to a string"
    : `messageExpression compilation failed: ${problem}`;

/** Paths that lead nowhere are refused with the CRD; one from a foreign etcd adds nothing. */
function fieldPathOf(text: string, schema: SchemaNode): string {
  try {
    return resolveFieldPath(text, schema).path;
  } catch {
    return "";
  }
}

const WRONG_TYPE = "\u0000wrong type";

interface ProgramContext {
  readonly env: Environment;
  readonly type: CelType;
  readonly meter: Meter;
}

/** A program whose result is of `resultType` or dyn; else a text that says why it is none. */
function compileProgram(
  source: string,
  resultType: string,
  { env, type, meter }: ProgramContext,
): (Program & { readonly usesOldSelf: boolean }) | string {
  try {
    const parsed = env.parse(source.trim());
    const root = parsed.ast as unknown as CelNode;
    prepare(root);
    const checked = parsed.check();
    if (!checked.valid) return compileProblem(checked.error, source.trim());
    if (checked.type !== resultType && checked.type !== "dyn") return WRONG_TYPE;
    const cost = estimateCost(
      root,
      new Map([
        ["self", type],
        ["oldSelf", type],
      ]),
    );
    meter.attach(root);
    return { run: (variables) => parsed(variables) as unknown, cost, usesOldSelf: reads(root, "oldSelf") };
  } catch (error) {
    return compileProblem(error, source.trim());
  }
}

/** Sends calls to our functions, and replaces the engine's `has`. */
function prepare(root: CelNode): void {
  visitNodes(root, (node) => {
    const { macro } = node.meta;
    const asked = macro?.args?.[0];
    if (macro !== undefined && asked !== undefined) replaceHas(macro, asked);
    if (node.op !== "rcall" && node.op !== "call") return;
    const [name, ...rest] = node.args as [string, ...unknown[]];
    if (RENAMED.has(name)) node.args = [`__${name}`, ...rest];
  });
}

/** The engine's own takes only fields of variables, and does not check that the type has the field. */
function replaceHas(macro: CelMacro, asked: CelNode): void {
  const [operand, name] = asked.args as [CelNode, string];
  macro.typeCheck = (checker, _macro, context) => {
    if (asked.op !== ".") throw new Error("invalid argument to has() macro");
    checker.check(asked, context);
    return checker.getType("bool");
  };
  macro.evaluate = (evaluator, _macro, context) => {
    const object = operand.evaluate(evaluator, operand, context);
    if (object instanceof Map) return object.get(name) !== undefined;
    if (typeof object === "object" && object !== null && !Array.isArray(object)) return Object.hasOwn(object, name);
    throw new Error("no such overload: has");
  };
}

/** As cel-go prints an issue: place, message, the line and a pointer below it. */
function compileProblem(error: unknown, source: string): string {
  const { summary, range, message } = error as { summary?: string; range?: { start: number }; message?: string };
  const text = celGoText(plainNames(summary ?? message ?? String(error)));
  // cel-go points at the dot of a selection, the engine behind it.
  const start = Math.min(
    Math.max((range?.start ?? 0) - (text.startsWith("undefined field") ? 1 : 0), 0),
    source.length,
  );
  const before = source.slice(0, start).split("\n");
  const column = before.at(-1)?.length ?? 0;
  const line = source.split("\n")[before.length - 1] ?? "";
  return `ERROR: <input>:${before.length}:${column + 1}: ${text}\n | ${line}\n | ${".".repeat(column)}^`;
}

/** The engine's most frequent complaints in cel-go's words. */
function celGoText(text: string): string {
  const [, key] = /^No such key: (.*)$/.exec(text) ?? [];
  if (key !== undefined) return `undefined field '${key}'`;
  const [, variable] = /^Unknown variable: (.*)$/.exec(text) ?? [];
  if (variable !== undefined) return `undeclared reference to '${variable}' (in container '')`;
  const [, left, operator, right] = /^no such overload: (.+) (\S+) (.+)$/.exec(text) ?? [];
  if (operator !== undefined) return `found no matching overload for '_${operator}_' applied to '(${left}, ${right})'`;
  const [, receiver, name, args] = /^found no matching overload for '(?:(.+)\.)?(\w+)\((.*)\)'$/.exec(text) ?? [];
  if (name === undefined) return text.startsWith("Unexpected") ? `Syntax error: ${text}` : text;
  const isKnown = BASE.getDefinitions().functions.some((known) => plainNames(`${known.name}(`) === `${name}(`);
  if (!isKnown) return `undeclared reference to '${name}' (in container '')`;
  return `found no matching overload for '${name}' applied to '${receiver === undefined ? "" : `${receiver}.`}(${args})'`;
}

/** Hides the engine's internal names from what people read. */
export const plainNames = (text: string): string =>
  text.replaceAll(/\b__([a-zA-Z]+)(?=\()/g, "$1").replaceAll(/\bobject\d+\b/g, "object");
