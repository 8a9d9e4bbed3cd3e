/**
 * The JSONPath of kubectl and of printer columns (client-go `util/jsonpath`), without templates and ranges:
 * `.a.b`, `.a\.b`, `['a']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `.*`, `..a`, `[?(@.type=="Ready")]`, `['a','b']`.
 */
export type JsonPath = readonly Step[];

type Step =
  | { readonly kind: "fields"; readonly names: readonly string[] }
  | { readonly kind: "slice"; readonly from?: number; readonly to?: number; readonly step: number }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "wildcard" }
  | { readonly kind: "descend" }
  | { readonly kind: "filter"; readonly left: Operand; readonly operator: Operator; readonly right: Operand };

type Operator = "exists" | "==" | "!=" | "<" | "<=" | ">" | ">=";
type Operand = { readonly path: JsonPath } | { readonly literal: string | number | boolean };

/** Values that one path may visit, so that `..` and nested wildcards stay cheap on big objects. */
const MAX_VISITS = 10_000;

/** Reads `.spec.x` or `{.spec.x}`. Throws an Error that says what is wrong. */
export function parseJsonPath(text: string): JsonPath {
  const inner = /^\{(.*)\}$/s.exec(text)?.[1] ?? text;
  const steps: Step[] = [];
  let rest = inner.startsWith("$") ? inner.slice(1) : inner;
  while (rest !== "") {
    const { step, length } = readStep(rest, text);
    if (step !== undefined) steps.push(step);
    rest = rest.slice(length);
  }
  return steps;
}

function readStep(rest: string, whole: string): { readonly step: Step | undefined; readonly length: number } {
  if (rest.startsWith("..")) return { step: { kind: "descend" }, length: /^\.\.(?=[[.*]|$)/.test(rest) ? 2 : 1 };
  if (rest.startsWith("[")) return readBracket(rest, whole);
  const field = /^\.?((?:\\.|[^.[\]\\])+)/.exec(rest);
  if (field?.[1] !== undefined) {
    const name = field[1].replace(/\\(.)/g, "$1");
    const step: Step = field[1] === "*" ? { kind: "wildcard" } : { kind: "fields", names: [name] };
    return { step, length: field[0].length };
  }
  if (rest === "." || rest.startsWith(".[")) return { step: undefined, length: 1 };
  throw new Error(`unrecognized character in JSON path ${JSON.stringify(whole)} at ${JSON.stringify(rest)}`);
}

const QUOTED = String.raw`'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"`;
const BRACKET = new RegExp(String.raw`^\[((?:${QUOTED}|[^'"\]])*)\]`);
const NAMES = new RegExp(String.raw`^\s*(?:${QUOTED})(?:\s*,\s*(?:${QUOTED}))*\s*$`);

function readBracket(rest: string, whole: string): { readonly step: Step; readonly length: number } {
  const bracket = rest.startsWith("[?(")
    ? /^\[(\?\((?:'[^']*'|"[^"]*"|[^'")])*\))\s*\]/.exec(rest)
    : BRACKET.exec(rest);
  const body = bracket?.[1]?.trim();
  if (bracket === null || body === undefined)
    throw new Error(`unterminated array in JSON path ${JSON.stringify(whole)}`);
  return { step: readBody(body, whole), length: bracket[0].length };
}

function readBody(body: string, whole: string): Step {
  if (body === "*") return { kind: "wildcard" };
  if (/^-?\d+$/.test(body)) return { kind: "index", index: Number(body) };
  if (NAMES.test(body)) return { kind: "fields", names: (body.match(new RegExp(QUOTED, "g")) ?? []).map(unquote) };
  const slice = /^(-?\d*):(-?\d*)(?::(-?\d*))?$/.exec(body);
  if (slice !== null) {
    const [from, to, step] = slice
      .slice(1)
      .map((part) => (part === "" || part === undefined ? undefined : Number(part)));
    if (step !== undefined && step <= 0) throw new Error(`step must be > 0 in JSON path ${JSON.stringify(whole)}`);
    return {
      kind: "slice",
      step: step ?? 1,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    };
  }
  const filter = /^\?\((.*)\)$/s.exec(body)?.[1];
  if (filter !== undefined) return readFilter(filter.trim());
  throw new Error(`invalid array index ${body} in JSON path ${JSON.stringify(whole)}`);
}

const unquote = (text: string): string => text.slice(1, -1).replace(/\\(.)/g, "$1");

function readFilter(text: string): Step {
  const parts = /^((?:'[^']*'|"[^"]*"|[^'"=!<>])+?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+))?$/s.exec(text);
  if (parts?.[1] === undefined) throw new Error(`invalid filter ${text}`);
  const left = readOperand(parts[1].trim());
  if (parts[2] === undefined) return { kind: "filter", left, operator: "exists", right: { literal: true } };
  return { kind: "filter", left, operator: parts[2] as Operator, right: readOperand((parts[3] ?? "").trim()) };
}

function readOperand(text: string): Operand {
  if (/^(['"]).*\1$/s.test(text)) return { literal: unquote(text) };
  if (/^[+-]?\d+(\.\d+)?$/.test(text)) return { literal: Number(text) };
  if (text === "true" || text === "false") return { literal: text === "true" };
  if (text.startsWith("@")) return { path: parseJsonPath(text.slice(1)) };
  throw new Error(`unrecognized operand ${text} in filter`);
}

/** All values that `path` finds in `root`, in order; none where something on the way is missing. */
export function findJsonPath(path: JsonPath, root: unknown): readonly unknown[] {
  const visits = { left: MAX_VISITS };
  return path.reduce<readonly unknown[]>((found, step) => found.flatMap((value) => walk(step, value, visits)), [root]);
}

function walk(step: Step, value: unknown, visits: { left: number }): readonly unknown[] {
  visits.left -= 1;
  if (visits.left < 0) return [];
  switch (step.kind) {
    case "fields":
      return step.names.flatMap((name) => field(value, name));
    case "index":
      return Array.isArray(value) ? value.slice(step.index, step.index === -1 ? undefined : step.index + 1) : [];
    case "slice":
      return Array.isArray(value) ? value.slice(step.from, step.to).filter((_item, i) => i % step.step === 0) : [];
    case "wildcard":
      return typeof value === "object" && value !== null ? Object.values(value) : [];
    case "descend":
      return descendants(value, visits);
    case "filter":
    default:
      return Array.isArray(value) ? value.filter((item: unknown) => matches(step, item)) : [];
  }
}

const field = (value: unknown, name: string): readonly unknown[] =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? [(value as Record<string, unknown>)[name]]
    : [];

function descendants(root: unknown, visits: { left: number }): readonly unknown[] {
  const found: unknown[] = [];
  const pending: unknown[] = [root];
  while (pending.length > 0 && visits.left > 0) {
    const value = pending.shift();
    visits.left -= 1;
    found.push(value);
    if (typeof value === "object" && value !== null) pending.unshift(...(Object.values(value) as unknown[]));
  }
  return found;
}

function matches(step: Extract<Step, { kind: "filter" }>, item: unknown): boolean {
  const left = operandValue(step.left, item);
  if (step.operator === "exists") return left !== undefined;
  const right = operandValue(step.right, item);
  if (step.operator === "==") return left === right;
  if (step.operator === "!=") return left !== right;
  const isOrdered = (typeof left === "number" || typeof left === "string") && typeof left === typeof right;
  if (!isOrdered) return false;
  const [a, b] = [left as number, right as number];
  return { "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b }[step.operator];
}

const operandValue = (operand: Operand, item: unknown): unknown =>
  "literal" in operand ? operand.literal : findJsonPath(operand.path, item)[0];
