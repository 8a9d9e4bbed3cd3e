import { RE2JS } from "re2js";

/** A limit of our own; RE2 itself limits nesting and what repetitions multiply to. */
const PATTERN_MAX_CHARS = 10_000;

/**
 * Compiles a pattern of Go's regexp syntax (RE2): matching takes time linear in the input, whatever the pattern.
 * Throws an Error with the reason. `.test(text)` finds a match anywhere in the text.
 */
export function compilePattern(pattern: string): RE2JS {
  if (pattern.length > PATTERN_MAX_CHARS) throw new Error(`pattern is longer than ${PATTERN_MAX_CHARS} characters`);
  return RE2JS.compile(pattern);
}

/** Why `pattern` is not a regular expression, in Go's words, or undefined. */
export function patternProblem(pattern: string): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
