import { Optional } from "@marcbachmann/cel-js";
import type { FieldError } from "../../status.ts";
import {
  childPath,
  forbidden,
  goJson,
  indexPath,
  invalidValue,
  isObject,
  keyPath,
  NO_FIELD,
  required,
} from "../field-error.ts";
import { mapKey } from "../list-type.ts";
import { getOwn } from "../node.ts";
import type { Excuse } from "../values.ts";
import { type CompiledRule, type Program, plainNames, type RuleNode } from "./compile.ts";
import type { Meter } from "./meter.ts";
import type { CelType } from "./types.ts";

/**
 * Work that one rule may do for one value (as upstream), and all rules for one object (upstream: 10,000,000, which here
 * would hold up the process for half a second). A unit takes 30 to 50 ns.
 */
const CALL_BUDGET = 1_000_000;
const OBJECT_BUDGET = 2_000_000;
/** Starting a rule takes about as long as this many units: lists of a million items must not come free. */
const START_UNITS = 20;
const MAX_ERRORS = 100;
/** Longest result of a messageExpression. */
const MESSAGE_MAX_BYTES = 5 * 1024;

/** A value with what is needed to judge it. */
interface Place {
  readonly value: unknown;
  readonly old: unknown;
  readonly path: string;
  readonly pointer: readonly string[];
}

/** The whole object, with its old version on updates. */
interface Root {
  readonly value: unknown;
  readonly old: unknown;
  readonly isExcused: Excuse;
}

/** How much may still be spent on an object. */
interface Run {
  readonly isExcused: Excuse;
  readonly meter: Meter;
  left: number;
}

/** Thrown to stop: the budget of the object is spent, or enough is wrong with it. The errors found so far stand. */
class Stop extends Error {}

/** Runs the rules of a schema on a value, in the order of its fields. */
export function checkValueRules(rules: RuleNode, root: Root, meter: Meter): readonly FieldError[] {
  const errors: FieldError[] = [];
  const run: Run = { isExcused: root.isExcused, meter, left: OBJECT_BUDGET };
  try {
    walk(rules, { value: root.value, old: root.old, path: "", pointer: [] }, run, errors);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  return errors;
}

function walk(node: RuleNode, place: Place, run: Run, errors: FieldError[]): void {
  const { value, old } = place;
  if (value === null || value === undefined) return;
  runRules(node, place, run, errors);
  if (Array.isArray(value)) walkList(node, place, value, run, errors);
  else if (isObject(value)) {
    const isAtomic = node.schema["x-kubernetes-map-type"] === "atomic";
    for (const key of Object.keys(value)) {
      const property = node.properties.get(key);
      const child = property ?? node.additional;
      if (child === undefined) continue;
      const path = property === undefined ? keyPath(place.path, key) : childPath(place.path, key);
      const before = !isAtomic && isObject(old) ? getOwn(old, key) : undefined;
      walk(child, { value: value[key], old: before, path, pointer: [...place.pointer, key] }, run, errors);
    }
  }
}

function walkList(node: RuleNode, place: Place, list: readonly unknown[], run: Run, errors: FieldError[]): void {
  const { items } = node;
  if (items === undefined) return;
  const keys = node.schema["x-kubernetes-list-map-keys"] ?? [];
  const isMap = node.schema["x-kubernetes-list-type"] === "map" && Array.isArray(place.old);
  const before = isMap
    ? new Map((place.old as readonly unknown[]).map((item) => [goJson(mapKey(item, keys)), item]))
    : undefined;
  list.forEach((value, index) => {
    const old = before?.get(goJson(mapKey(value, keys)));
    walk(
      items,
      { value, old, path: indexPath(place.path, index), pointer: [...place.pointer, String(index)] },
      run,
      errors,
    );
  });
}

function runRules(node: RuleNode, place: Place, run: Run, errors: FieldError[]): void {
  const { type, rules, schema } = node;
  if (rules.length === 0) return;
  if (errors.length >= MAX_ERRORS) throw new Stop();
  const typeName = schema.type ?? "";
  const problem = (detail: string): void => {
    errors.push(invalidValue(place.path || NO_FIELD, typeName, detail));
  };
  const values = type === undefined ? undefined : makeVariables(type, place, problem);
  for (const compiled of rules) {
    if (compiled.error !== undefined || compiled.program === undefined)
      problem(`rule compile error: ${compiled.error}`);
    else if (values !== undefined)
      runRule(compiled, compiled.program, { values, place, typeName, problem }, run, errors);
  }
}

interface Values {
  readonly self: unknown;
  readonly oldSelf: unknown;
}

function makeVariables(type: CelType, place: Place, problem: (detail: string) => void): Values | undefined {
  try {
    const hasOld = place.old !== null && place.old !== undefined;
    return { self: type.convert(place.value), oldSelf: hasOld ? type.convert(place.old) : undefined };
  } catch (error) {
    problem(`the value cannot be given to rules: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

interface RuleContext {
  readonly values: Values;
  readonly place: Place;
  readonly typeName: string;
  readonly problem: (detail: string) => void;
}

function runRule(
  compiled: CompiledRule,
  program: Program,
  { values, place, typeName, problem }: RuleContext,
  run: Run,
  errors: FieldError[],
): void {
  const { rule, usesOldSelf } = compiled;
  const isOptional = rule.optionalOldSelf === true;
  // Transition rules are for changes: without a value to compare with they do not run.
  if (usesOldSelf && values.oldSelf === undefined && !isOptional) return;
  const oldSelf = isOptional ? Optional.of(values.oldSelf) : values.oldSelf;
  const variables = { self: values.self, oldSelf };
  const result = evaluate(() => program.run(variables), run);
  if (result.kind === "spent") {
    problem(spentText(result.isCall, ruleText(compiled)));
    throw new Stop();
  }
  if (result.kind === "failed") problem(failureText(result.message, ruleText(compiled)));
  else if (result.value !== true && (usesOldSelf || !run.isExcused(place.pointer))) {
    const detail = messageOf(compiled, variables, run) ?? defaultMessage(compiled);
    const path = compiled.fieldPath === "" ? place.path || NO_FIELD : childPath(place.path, compiled.fieldPath);
    errors.push(errorFor(compiled, path, { value: place.value, typeName, detail }));
  }
}

type Outcome =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "spent"; readonly isCall: boolean };

function evaluate(program: () => unknown, run: Run): Outcome {
  const budget = Math.min(CALL_BUDGET, run.left);
  run.meter.start(budget);
  try {
    run.meter.spend(START_UNITS);
    const value = program();
    if (!run.meter.isSpent) return { kind: "value", value };
  } catch (error) {
    if (!run.meter.isSpent) return { kind: "failed", message: problemText(error) };
  } finally {
    run.left -= budget - run.meter.left;
  }
  return { kind: "spent", isCall: budget === CALL_BUDGET };
}

function problemText(error: unknown): string {
  const { summary, message } = error as { summary?: string; message?: string };
  const text = plainNames(summary ?? message ?? String(error));
  return `${text[0]?.toLowerCase() ?? ""}${text.slice(1)}`;
}

const spentText = (isCall: boolean, rule: string): string =>
  isCall
    ? `'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`
    : "validation failed due to running out of cost budget, no further validation rules will be run";

const failureText = (message: string, rule: string): string =>
  message.startsWith("no such overload")
    ? `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${rule}`
    : `${message} evaluating rule: ${rule}`;

const ruleText = ({ rule }: CompiledRule): string => (rule.message ? rule.message.trim() : rule.rule.trim());
const defaultMessage = ({ rule }: CompiledRule): string =>
  rule.message ? rule.message.trim() : `failed rule: ${rule.rule.trim()}`;

/** What the messageExpression says, if it says something usable. */
function messageOf(compiled: CompiledRule, variables: Record<string, unknown>, run: Run): string | undefined {
  const { message } = compiled;
  if (message === undefined) return undefined;
  const result = evaluate(() => message.run(variables), run);
  if (result.kind !== "value" || typeof result.value !== "string") return undefined;
  const text = result.value.trim();
  return text === "" || text.includes("\n") || Buffer.byteLength(text) > MESSAGE_MAX_BYTES ? undefined : text;
}

function errorFor(
  { rule }: CompiledRule,
  path: string,
  { value, typeName, detail }: { value: unknown; typeName: string; detail: string },
): FieldError {
  // Objects and lists are not printed: only what the rule says about them.
  const isOmitted = typeName === "object" || typeName === "array";
  const plain = (reason: FieldError["reason"], text: string): FieldError => ({ reason, field: path, message: text });
  switch (rule.reason) {
    case "FieldValueForbidden":
      return forbidden(path, detail);
    case "FieldValueRequired":
      return required(path, detail);
    case "FieldValueDuplicate":
      return plain("FieldValueDuplicate", isOmitted ? "Duplicate value" : `Duplicate value: ${goJson(value)}`);
    case "FieldValueInvalid":
    case undefined:
      return isOmitted ? plain("FieldValueInvalid", `Invalid value: ${detail}`) : invalidValue(path, value, detail);
    default:
      return invalidValue(path, value, detail);
  }
}
