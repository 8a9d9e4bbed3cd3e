import type { Environment } from "@marcbachmann/cel-js";
import { goQuote } from "../../field-error.ts";
import { compilePattern } from "../../regex.ts";
import { formatText } from "./format-text.ts";
import { registerAll, registerNamespace } from "./register.ts";

/**
 * String functions of CEL as Kubernetes offers them (cel-go `ext.Strings`, apiserver `library/regex.go`). Names that the
 * engine has already, with JavaScript's semantics, stand here with two underscores; `compile.ts` renames calls.
 * Positions count code points.
 */
export function registerStrings(env: Environment): void {
  registerAll(env, {
    "string.__matches(string): bool": (text: string, pattern: string) => regex(pattern).test(text),
    "__matches(string, string): bool": (text: string, pattern: string) => regex(pattern).test(text),
    "string.find(string): string": (text: string, pattern: string) => findAll(text, pattern, 1)[0] ?? "",
    "string.findAll(string): list<string>": (text: string, pattern: string) => findAll(text, pattern, -1),
    "string.findAll(string, int): list<string>": (text: string, pattern: string, limit: bigint) =>
      findAll(text, pattern, Number(limit)),
    "string.charAt(int): string": charAt,
    "string.__indexOf(string): int": (text: string, part: string) => indexOf(text, part, 0n),
    "string.__indexOf(string, int): int": indexOf,
    "string.__lastIndexOf(string): int": (text: string, part: string) => pointIndex(text, text.lastIndexOf(part)),
    "string.__lastIndexOf(string, int): int": (text: string, part: string, from: bigint) =>
      pointIndex(text, text.lastIndexOf(part, unitIndex(text, from))),
    "string.__substring(int): string": (text: string, from: bigint) => text.slice(unitIndex(text, from)),
    "string.__substring(int, int): string": substring,
    "string.__lowerAscii(): string": (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()),
    "string.__upperAscii(): string": (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase()),
    "string.replace(string, string): string": (text: string, from: string, to: string) =>
      text.replaceAll(from, () => to),
    "string.replace(string, string, int): string": replaceSome,
    "string.reverse(): string": (text: string) => Array.from(text).reverse().join(""),
    "string.format(list): string": formatText,
  });
  registerNamespace(env, "strings", {
    "quote(string): string": (_strings: unknown, text: string) => goQuote(text),
  });
}

const patterns = new Map<string, ReturnType<typeof compilePattern>>();
const MAX_PATTERNS = 1000;

/** Patterns mostly are literals of rules: compiled once, within limits. */
function regex(pattern: string): ReturnType<typeof compilePattern> {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const compiled = compilePattern(pattern);
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(pattern, compiled);
  return compiled;
}

function findAll(text: string, pattern: string, limit: number): string[] {
  const matcher = regex(pattern).matcher(text);
  const found: string[] = [];
  while (found.length !== limit && matcher.find()) found.push(matcher.group(0) ?? "");
  return found;
}

/** Without surrogates a position in code points is one in UTF-16 units. */
const isPlain = (text: string): boolean => !/[\ud800-\udfff]/.test(text);

/** Turns a position in code points into one in UTF-16 units. */
function unitIndex(text: string, position: bigint): number {
  const size = isPlain(text) ? text.length : Array.from(text).length;
  if (position < 0n || position > BigInt(size)) throw new Error(`index out of range: ${position}`);
  return isPlain(text) ? Number(position) : Array.from(text).slice(0, Number(position)).join("").length;
}

const pointIndex = (text: string, unit: number): bigint =>
  BigInt(unit <= 0 || isPlain(text) ? unit : Array.from(text.slice(0, unit)).length);

const indexOf = (text: string, part: string, from: bigint): bigint =>
  pointIndex(text, text.indexOf(part, unitIndex(text, from)));

function substring(text: string, from: bigint, to: bigint): string {
  if (to < from) throw new Error(`invalid substring range. start: ${from}, end: ${to}`);
  return text.slice(unitIndex(text, from), unitIndex(text, to));
}

function charAt(text: string, position: bigint): string {
  return Array.from(text.slice(unitIndex(text, position), unitIndex(text, position) + 2))[0] ?? "";
}

function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  if (limit < 0n) return text.replaceAll(from, () => to);
  let left = Number(limit);
  return text.replaceAll(from, (part) => (left-- > 0 ? to : part));
}
