import type { FieldError } from "../../status.ts";
import { childPath, forbidden, indexPath, invalidValue, keyPath } from "../field-error.ts";
import type { SchemaNode } from "../types.ts";
import { type CompiledRule, compileRules, type RuleNode } from "./compile.ts";
import { Meter } from "./meter.ts";
import { DYN, MAX_BYTES, TypeBuilder } from "./types.ts";

/** What one rule, and all rules of a schema, may cost by the static estimate (apiextensions `validation.go`). */
const RULE_COST_LIMIT = 10_000_000;
const SCHEMA_COST_LIMIT = 100_000_000;

/** Where rules are found, and how often they run for one object at worst. */
interface Place {
  readonly path: string;
  readonly times: number;
  /** The nearest part around that cannot be compared between two versions of an object. */
  readonly uncorrelatable?: string;
}

interface Total {
  readonly errors: FieldError[];
  cost: number;
}

/** Compiles every rule of a schema; what does not compile, or could cost too much, is an error. */
export function checkRules(root: SchemaNode, path: string): readonly FieldError[] {
  const rules = compileRules(root, { isResource: true, meter: new Meter() });
  if (rules === undefined) return [];
  const total: Total = { errors: [], cost: 0 };
  walk(rules, { path, times: 1 }, total);
  if (total.cost > SCHEMA_COST_LIMIT) {
    const name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    total.errors.push(forbidden(path, costText(name, total.cost, SCHEMA_COST_LIMIT)));
  }
  return total.errors;
}

function walk(node: RuleNode, place: Place, total: Total): void {
  node.rules.forEach((rule, index) => {
    checkRule(rule, indexPath(childPath(place.path, "x-kubernetes-validations"), index), place, total);
  });
  const isAtomic = node.schema["x-kubernetes-map-type"] === "atomic";
  const isMapList = node.schema["x-kubernetes-list-type"] === "map";
  const inside = (isCorrelatable: boolean): Partial<Place> =>
    isCorrelatable || place.uncorrelatable !== undefined ? {} : { uncorrelatable: place.path };
  for (const [name, child] of node.properties) {
    const path = keyPath(childPath(place.path, "properties"), name);
    walk(child, { ...place, ...inside(!isAtomic), path }, total);
  }
  const below = (
    name: "items" | "additionalProperties",
    max: number | undefined,
    schema: SchemaNode,
  ): Partial<Place> => ({
    path: childPath(place.path, name),
    times: Math.min(place.times * (max ?? mostOf(schema)), Number.MAX_SAFE_INTEGER),
  });
  const { items, additional, schema } = node;
  if (items) walk(items, { ...place, ...inside(isMapList), ...below("items", schema.maxItems, items.schema) }, total);
  if (additional)
    walk(additional, { ...place, ...below("additionalProperties", schema.maxProperties, additional.schema) }, total);
}

/** How many of such values fit into one request. */
function mostOf(schema: SchemaNode): number {
  const type = new TypeBuilder().build(schema, false) ?? DYN;
  return Math.floor(MAX_BYTES / (type.minBytes + 1));
}

function checkRule(compiled: CompiledRule, path: string, place: Place, total: Total): void {
  const { rule, error, messageError, program, message } = compiled;
  const fail = (field: string, problem: FieldError): void => {
    total.errors.push({ ...problem, field: childPath(path, field) });
  };
  if (error !== undefined) fail("rule", invalidValue("", rule, error));
  if (messageError !== undefined) fail("messageExpression", invalidValue("", rule, messageError));
  for (const [field, name, one] of [
    ["rule", "estimated rule cost", program],
    ["messageExpression", "estimated messageExpression cost", message],
  ] as const) {
    const cost = (one?.cost ?? 0) * place.times;
    total.cost += cost;
    if (cost > RULE_COST_LIMIT) fail(field, forbidden("", costText(name, cost, RULE_COST_LIMIT)));
  }
  if (compiled.usesOldSelf && place.uncorrelatable !== undefined) {
    const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelatable}`;
    fail("rule", invalidValue("", rule.rule, detail));
  } else if (!compiled.usesOldSelf && error === undefined && rule.optionalOldSelf !== undefined) {
    fail("optionalOldSelf", invalidValue("", rule.optionalOldSelf, "may not be set if oldSelf is not used in rule"));
  }
}

function costText(name: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const text = factor > 100 ? "more than 100x" : `${factor.toFixed(factor < 1.5 ? 6 : 1)}x`;
  return `${name} exceeds budget by factor of ${text} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}
