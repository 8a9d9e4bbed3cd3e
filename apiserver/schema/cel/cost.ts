import type { CelNode, Comprehension } from "./ast.ts";
import { type CelType, DYN, MAX_BYTES } from "./types.ts";

/** What an expression may cost at worst, and the worst size of its result. */
interface Estimate {
  readonly cost: number;
  readonly shape: Shape;
}

/** As much of a CelType as sizes need. */
interface Shape {
  readonly maxSize: number;
  readonly element?: Shape;
  readonly fields?: CelType["fields"];
}

type Scope = ReadonlyMap<string, Shape>;

const ONE: Shape = { maxSize: 1 };
/** Looking at one character costs a tenth, as in cel-go (`StringTraversalCostFactor`). */
const PER_CHARACTER = 0.1;

/** The worst cost of evaluating `root` once, in units of about one operation; never more than 2^53. */
export function estimateCost(root: CelNode, variables: ReadonlyMap<string, Shape>): number {
  return Math.min(estimate(root, variables).cost, Number.MAX_SAFE_INTEGER);
}

function estimate(node: CelNode, scope: Scope): Estimate {
  if (node.meta.alternate !== undefined) return estimate(node.meta.alternate, scope);
  if (node.meta.macro !== undefined) return estimateMacro(node.meta.macro, scope);
  switch (node.op) {
    case "value":
      return { cost: 0, shape: typeof node.args === "string" ? { maxSize: node.args.length } : ONE };
    case "id":
      return { cost: 1, shape: scope.get(node.args as string) ?? ONE };
    case "accuValue":
    case "accuInc":
      return { cost: 1, shape: ONE };
    case ".":
    case ".?": {
      const [object, name] = node.args as [CelNode, string];
      return field(estimate(object, scope), name);
    }
    case "comprehension":
      return estimateLoop(node.args as Comprehension, scope);
    case "call": {
      const [name, args] = node.args as [string, CelNode[]];
      return estimateCall(name, args, scope);
    }
    case "rcall": {
      const [name, receiver, args] = node.args as [string, CelNode, CelNode[]];
      return estimateCall(name, [receiver, ...args], scope);
    }
    case "map":
      return {
        cost: 30 + sum((node.args as [CelNode, CelNode][]).flat(), scope),
        shape: { maxSize: (node.args as []).length, element: DYN },
      };
    case "list": {
      const items = (node.args as CelNode[]).map((item) => estimate(item, scope));
      const element = items.reduce<Shape>((most, item) => larger(most, item.shape), ONE);
      return {
        cost: 10 + items.reduce((total, item) => total + item.cost, 0),
        shape: { maxSize: items.length, element },
      };
    }
    case "!_":
    case "-_":
    case "accuPush": {
      const inner = estimate(node.args as CelNode, scope);
      return { cost: inner.cost + 1, shape: inner.shape };
    }
    case "?:": {
      const [condition, yes, no] = (node.args as CelNode[]).map((arg) => estimate(arg, scope)) as [
        Estimate,
        Estimate,
        Estimate,
      ];
      return { cost: condition.cost + Math.max(yes.cost, no.cost), shape: larger(yes.shape, no.shape) };
    }
    default:
      return estimateBinary(node.op, node.args as [CelNode, CelNode], scope);
  }
}

const sum = (nodes: readonly CelNode[], scope: Scope): number =>
  nodes.reduce((total, node) => total + estimate(node, scope).cost, 0);

const larger = (a: Shape, b: Shape): Shape => (b.maxSize > a.maxSize || (b.maxSize === a.maxSize && b.element) ? b : a);

function field({ cost, shape }: Estimate, name: string): Estimate {
  return { cost: cost + 1, shape: shape.fields?.get(name)?.type ?? shape.element ?? (shape.fields ? ONE : DYN) };
}

function estimateMacro(macro: NonNullable<CelNode["meta"]["macro"]>, scope: Scope): Estimate {
  if (macro.val !== undefined && macro.exp !== undefined) {
    const value = estimate(macro.val, scope);
    const inner = estimate(macro.exp, new Map([...scope, [macro.var ?? "", value.shape]]));
    return { cost: 10 + value.cost + inner.cost, shape: inner.shape };
  }
  const [operand] = (macro.args?.[0]?.args ?? []) as CelNode[];
  const parts = [operand, macro.receiver, macro.arg]
    .filter((part) => part !== undefined)
    .map((part) => estimate(part, scope));
  return {
    cost: 1 + parts.reduce((total, part) => total + part.cost, 0),
    shape: parts.reduce<Shape>((most, part) => larger(most, part.shape), ONE),
  };
}

function estimateLoop({ iterable, iterVarName, step, init }: Comprehension, scope: Scope): Estimate {
  const range = estimate(iterable, scope);
  const isMap = iterable.checkedType?.kind === "map";
  const item = isMap ? { maxSize: MAX_BYTES } : (range.shape.element ?? DYN);
  const body = estimate(step, new Map([...scope, [iterVarName, item]]));
  const isList = init.op === "list";
  return {
    cost: range.cost + range.shape.maxSize * (body.cost + 1) + 1,
    shape: isList ? { maxSize: range.shape.maxSize, element: body.shape } : ONE,
  };
}

function estimateBinary(op: string, args: readonly [CelNode, CelNode], scope: Scope): Estimate {
  const [left, right] = args.map((arg) => estimate(arg, scope)) as [Estimate, Estimate];
  const cost = left.cost + right.cost;
  const isText = isString(args[0]) || isString(args[1]);
  switch (op) {
    case "&&":
    case "||":
      return { cost, shape: ONE };
    case "[]":
    case "[?]":
      return { cost: cost + 1, shape: left.shape.element ?? DYN };
    case "in":
      return {
        cost: cost + (right.shape.element === undefined || isMapNode(args[1]) ? 1 : weight(right.shape)),
        shape: ONE,
      };
    case "+": {
      const size = left.shape.maxSize + right.shape.maxSize;
      const element = left.shape.element ?? right.shape.element;
      return {
        cost: cost + 1 + size * (isText ? PER_CHARACTER : 1),
        shape: { maxSize: size, ...(element ? { element } : {}) },
      };
    }
    default:
      return { cost: cost + 1 + Math.min(weight(left.shape), weight(right.shape)), shape: ONE };
  }
}

const isString = (node: CelNode): boolean => node.checkedType?.name === "string";
const isMapNode = (node: CelNode): boolean => node.checkedType?.kind === "map";

/** What it costs to look at all of a value. */
function weight(shape: Shape): number {
  if (shape.fields !== undefined) {
    return [...shape.fields.values()].reduce((total, { type }) => total + weight(type), 1);
  }
  return shape.element === undefined
    ? shape.maxSize * PER_CHARACTER
    : shape.maxSize * Math.max(weight(shape.element), 1);
}

/** Conversions cost one unit in cel-go whatever their operand: what is too long to convert fails at once. */
const CONSTANT_TIME = new Set(
  "size type dyn hasValue value of none int uint double bool timestamp duration quantity isQuantity".split(" "),
);
const SAME_SIZE = new Set([
  "trim",
  "lowerAscii",
  "upperAscii",
  "substring",
  "reverse",
  "sort",
  "distinct",
  "slice",
  "string",
  "charAt",
]);

function estimateCall(name: string, args: readonly CelNode[], scope: Scope): Estimate {
  const parts = args.map((arg) => estimate(arg, scope));
  const cost = parts.reduce((total, part) => total + part.cost, 1);
  const [first = ONE, second = ONE] = parts.map(({ shape }) => shape);
  const plain = name.replace(/^__/, "");
  if (CONSTANT_TIME.has(plain)) return { cost, shape: plain === "value" || plain === "dyn" ? first : ONE };
  if (plain === "matches" || plain === "find" || plain === "findAll") {
    const search = Math.max(weight(first), 1) * Math.max(second.maxSize / 4, 1);
    return { cost: cost + search, shape: { maxSize: first.maxSize, element: { maxSize: first.maxSize } } };
  }
  if (
    plain === "contains" ||
    plain === "replace" ||
    plain === "containsAll" ||
    plain === "intersects" ||
    plain === "equivalent"
  ) {
    return {
      cost: cost + Math.max(weight(first), 1) * Math.max(weight(second), 1),
      shape: { maxSize: first.maxSize + second.maxSize },
    };
  }
  const total = parts.reduce((all, { shape }) => all + weight(shape), 0);
  if (plain === "split")
    return { cost: cost + total, shape: { maxSize: first.maxSize, element: { maxSize: first.maxSize } } };
  if (plain === "join")
    return { cost: cost + total, shape: { maxSize: first.maxSize * (first.element?.maxSize ?? 1) } };
  return { cost: cost + total, shape: SAME_SIZE.has(plain) ? first : ONE };
}
