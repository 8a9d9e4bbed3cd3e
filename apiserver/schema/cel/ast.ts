import type { TypeDeclaration } from "@marcbachmann/cel-js";

/** A node of the engine's syntax tree, as far as metering and cost estimates touch it (cel-js 8.0, `parser.js`). */
export interface CelNode {
  readonly op: string;
  args: unknown;
  readonly start: number;
  readonly checkedType?: TypeDeclaration;
  readonly meta: {
    readonly alternate?: CelNode;
    readonly macro?: CelMacro;
    readonly evaluate: Evaluate;
  };
  evaluate: Evaluate;
  /** Computes the result from the operands; set by the type checker. */
  handle?: (...operands: unknown[]) => unknown;
}

export type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

interface Checker {
  check(node: CelNode, context: unknown): unknown;
  getType(name: string): unknown;
}

/** `has`, `cel.bind` and the optional macros; all others become comprehensions. */
export interface CelMacro {
  evaluate: Evaluate;
  typeCheck: (checker: Checker, macro: unknown, context: unknown) => unknown;
  /** Of `has` only: the selection that it asks for. */
  readonly args?: readonly CelNode[];
  readonly receiver?: CelNode;
  readonly arg?: CelNode;
  readonly var?: string;
  readonly val?: CelNode;
  readonly exp?: CelNode;
}

export interface Comprehension {
  readonly iterable: CelNode;
  readonly iterVarName: string;
  readonly init: CelNode;
  readonly step: CelNode;
}

/** The nodes evaluated as part of `node`. */
export function childrenOf(node: CelNode): readonly CelNode[] {
  if (node.meta.alternate !== undefined) return [node.meta.alternate];
  const { macro } = node.meta;
  if (macro !== undefined) {
    const [operand] = (macro.args?.[0]?.args ?? []) as CelNode[];
    return [operand, macro.receiver, macro.arg, macro.val, macro.exp].filter((child) => child !== undefined);
  }
  switch (node.op) {
    case "value":
    case "id":
    case "accuValue":
    case "accuInc":
      return [];
    case ".":
    case ".?":
      return [(node.args as [CelNode, string])[0]];
    case "!_":
    case "-_":
    case "accuPush":
      return [node.args as CelNode];
    case "call":
      return (node.args as [string, CelNode[]])[1];
    case "rcall": {
      const [, receiver, args] = node.args as [string, CelNode, CelNode[]];
      return [receiver, ...args];
    }
    case "map":
      return (node.args as [CelNode, CelNode][]).flat();
    case "comprehension": {
      const { iterable, init, step } = node.args as Comprehension;
      return [iterable, init, step];
    }
    default:
      return node.args as CelNode[];
  }
}

/** Calls `visit` once for every node below and including `root`. */
export function visitNodes(root: CelNode, visit: (node: CelNode) => void): void {
  const seen = new Set<CelNode>();
  const pending = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    visit(node);
    pending.push(...childrenOf(node));
  }
}

/** Whether the expression reads a variable of this name. */
export function reads(root: CelNode, name: string): boolean {
  let found = false;
  visitNodes(root, (node) => {
    if (node.op === "id" && node.args === name) found = true;
  });
  return found;
}
