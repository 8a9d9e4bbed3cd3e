import { SelectorError } from "./selectors.ts";

/** One term of a field selector, such as `status.hostName=alpha`; terms are joined by "and". */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

/**
 * Reads `metadata.name=a,spec.hostName!=b` with the grammar of apimachinery `fields.ParseSelector`: `=`, `==` and `!=`;
 * a backslash escapes `\`, `,` and `=` in a value. The empty text matches everything.
 */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== "")
    .map((term) => parseTerm(term, text));
}

/** At the commas that are not escaped. */
function splitTerms(text: string): string[] {
  return text.match(/(\\.|[^,\\]|\\$)+/gs) ?? [];
}

function parseTerm(term: string, text: string): FieldRequirement {
  const [, field, operator, value] = /^((?:\\.|[^=!\\])*)(==|=|!=)(.*)$/s.exec(term) ?? [];
  if (field === undefined || operator === undefined || value === undefined)
    throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
  return { field, operator: operator === "!=" ? "!=" : "=", value: unescape(value) };
}

function unescape(value: string): string {
  const bare = value.replaceAll(/\\([\\,=])/g, "");
  if (/[\\,=]/.test(bare))
    throw new SelectorError(`invalid field selector value: '${value}': '\\', ',' and '=' need a backslash before them`);
  return value.replaceAll(/\\([\\,=])/g, "$1");
}

/** `value` in the form that `parseFieldSelector` reads. */
export function escapeFieldValue(value: string): string {
  return value.replaceAll(/[\\,=]/g, (found) => `\\${found}`);
}

/** Whether all terms hold; a field that is absent counts as the empty text. */
export function matchesFields(
  terms: readonly FieldRequirement[],
  fields: Readonly<Record<string, string | undefined>>,
): boolean {
  return terms.every(({ field, operator, value }) => ((fields[field] ?? "") === value) === (operator === "="));
}
