const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);
const ESCAPES: Readonly<Record<string, string>> = {
  __: "__underscores__",
  ".": "__dot__",
  "-": "__dash__",
  "/": "__slash__",
};

/**
 * The name under which a rule reads a property (apiserver `cel/escaping.go`), or undefined when none exists: names that
 * start with a digit or hold other characters are out of reach.
 */
export function escapeName(name: string): string | undefined {
  if (RESERVED.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  const escaped = name.replace(/__|[./-]/g, (part) => ESCAPES[part] ?? part);
  return /^[A-Za-z_]/.test(escaped) ? escaped : undefined;
}
