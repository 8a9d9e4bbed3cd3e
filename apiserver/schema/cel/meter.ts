import { type CelNode, childrenOf, visitNodes } from "./ast.ts";
import { entriesOf } from "./object.ts";

/** Thrown when the budget is spent. One object for all: making a stack trace for each would cost more than the rules. */
const SPENT = new Error("operation cancelled: actual cost limit exceeded");

/** A unit takes 30 to 50 ns; an error with its stack and highlighted source takes about 12 us. */
const ERROR_UNITS = 400;

/**
 * Counts the work of evaluations: one unit for every node, more for operations that look at whole strings and lists.
 * The engine turns errors of single elements into values, so the meter remembers that it ran out.
 */
export class Meter {
  #left = 0;
  #lastError: unknown;

  /** Allows `units` of work from now on. */
  start(units: number): void {
    this.#left = units;
  }

  get left(): number {
    return Math.max(this.#left, 0);
  }

  get isSpent(): boolean {
    return this.#left < 0;
  }

  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw SPENT;
  }

  /** Makes a type-checked expression pay for what it does. */
  attach(root: CelNode): void {
    visitNodes(root, (node) => {
      this.#meterEvaluation(node);
      if (node.handle !== undefined) this.#meterOperation(node, node.handle);
    });
  }

  #meterEvaluation(node: CelNode): void {
    const { alternate, macro, evaluate } = node.meta;
    if (alternate !== undefined) node.evaluate = (ev, _node, ctx) => alternate.evaluate(ev, alternate, ctx);
    else {
      const [run, self] = macro === undefined ? [evaluate, node] : [macro.evaluate.bind(macro), macro];
      node.evaluate = (ev, _node, ctx) => {
        this.spend(1);
        try {
          return run(ev, self, ctx);
        } catch (error) {
          this.#payFor(error);
          throw error;
        }
      };
    }
  }

  /** `all` and `exists` go on after an error: making one for each element must not come free. */
  #payFor(error: unknown): void {
    if (error === this.#lastError || error === SPENT) return;
    this.#lastError = error;
    this.spend(ERROR_UNITS);
  }

  #meterOperation(node: CelNode, handle: NonNullable<CelNode["handle"]>): void {
    const charge = CHARGES[node.op];
    if (charge === undefined) return;
    node.handle = (...operands) => {
      this.spend(charge(operands, node, this.left));
      return handle(...operands);
    };
  }
}

type Charge = (operands: readonly unknown[], node: CelNode, limit: number) => number;

const ordering: Charge = ([left, right]) => Math.min(length(left), length(right));
const equality: Charge = ([left, right], _node, limit) => Math.min(weigh(left, limit), weigh(right, limit));
const call: Charge = ([operands], node, limit) => {
  const name = (node.args as [string])[0];
  if (CONSTANT_TIME.has(name)) return 1;
  const args = operands as readonly unknown[];
  if (PATTERNS.has(name)) return patternUnits(args, node);
  if (name.startsWith("get") && args.length > 1) return TIME_ZONE_UNITS;
  const sizes = args.map((operand) => Math.max(weigh(operand, limit), 1));
  const work = PRODUCTS.has(name) || isObjectList(name, args) ? product(sizes, name) : sizes.reduce((a, b) => a + b, 1);
  return (SLOW_CALLS.get(name) ?? 1) + work;
};

const product = (sizes: readonly number[], name: string): number =>
  name === "distinct" ? (sizes[0] ?? 1) ** 2 : sizes.reduce((a, b) => a * b, 1);

/** Scalars are told apart by a hash, objects by comparing each with each. */
const isObjectList = (name: string, [list]: readonly unknown[]): boolean =>
  name === "distinct" && Array.isArray(list) && typeof list[0] === "object";

/** Each character may take all states of a pattern. Patterns that are no literals are compiled again and again. */
function patternUnits([text, pattern]: readonly unknown[], node: CelNode): number {
  const last = childrenOf(node)[1];
  const compile = last?.op === "value" ? 30 : 20_000;
  return compile + length(text) * 10 * Math.max(length(pattern), 1);
}

const PATTERNS = new Set(["__matches", "find", "findAll"]);
const PRODUCTS = new Set(["contains", "equivalent", "intersects", "replace"]);
/** Time zones are looked up by formatting and parsing the date. */
const TIME_ZONE_UNITS = 2000;
/** What some calls cost beside the size of their operands, by measurement. */
const SLOW_CALLS: ReadonlyMap<string, number> = new Map([
  ...["url", "isURL", "ip", "isIP", "cidr", "isCIDR", "quantity", "isQuantity"].map((name) => [name, 50] as const),
  ...["containsIP", "containsCIDR", "isCanonical", "timestamp", "duration"].map((name) => [name, 50] as const),
  ...["isGlobalUnicast", "isLoopback", "isLinkLocalUnicast", "isLinkLocalMulticast"].map(
    (name) => [name, 300] as const,
  ),
  ...["validate", "format", "getQuery"].map((name) => [name, 100] as const),
]);

const CHARGES: Readonly<Record<string, Charge>> = {
  "==": equality,
  "!=": equality,
  "<": ordering,
  "<=": ordering,
  ">": ordering,
  ">=": ordering,
  "+": ([left, right]) => length(left) + length(right),
  in: ([, right], _node, limit) => (Array.isArray(right) ? weigh(right, limit) : 1),
  comprehension: ([items]) => length(items),
  call,
  rcall: call,
};

const CONSTANT_TIME = new Set(["size", "type", "dyn", "bool", "hasValue", "value", "of", "none", "optMap"]);

/** What it costs to look at a value once without looking into its elements. */
function length(value: unknown): number {
  if (typeof value === "string" || value instanceof Uint8Array) return Math.ceil(value.length / 10);
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 1;
}

/** What it costs to look at all of a value; stops counting beyond `limit`. */
function weigh(root: unknown, limit: number): number {
  let total = 0;
  const pending: unknown[] = [root];
  while (pending.length > 0 && total <= limit) {
    const value = pending.pop();
    if (Array.isArray(value)) {
      total += 1;
      if (value.length > limit) return value.length;
      for (const item of value) pending.push(item);
    } else if (value instanceof Map) {
      total += 1;
      for (const item of entriesOf(value).values()) pending.push(item);
    } else total += length(value);
  }
  return total;
}
