import { OperatorError } from "./errors.ts";

/** One term of a label selector; terms are joined by "and". */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
  /** At least one for In and NotIn, one integer for Gt and Lt, none otherwise. */
  readonly values: readonly string[];
}

/** metav1.LabelSelector, as it stands in objects. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export class SelectorError extends OperatorError {
  override readonly retry = "never";
  readonly reason = "InvalidSelector";
}

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const INTEGER = /^-?\d+$/;
const CHARACTERS =
  "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const KEY_RULE =
  `name part must ${CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', ` +
  "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE =
  `a valid label must be an empty string or ${CHARACTERS} (e.g. 'MyValue',  or 'my_value',  or '12345', ` +
  "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Whether `text` can be a label key: `name` or `dns.sub.domain/name`. */
export function isLabelKey(text: string): boolean {
  const parts = text.split("/");
  const name = parts.at(-1) ?? "";
  if (parts.length > 2 || name.length > 63 || !NAME.test(name)) return false;
  const prefix = parts.length === 2 ? parts[0] : undefined;
  return prefix === undefined || (prefix.length <= 253 && DNS_SUBDOMAIN.test(prefix));
}

/** Whether `text` can be a label value: empty, or a name of at most 63 characters. */
export function isLabelValue(text: string): boolean {
  return text === "" || (text.length <= 63 && NAME.test(text));
}

/** Builds one term and checks it, with apimachinery's error texts. */
export function labelRequirement(
  key: string,
  operator: LabelRequirement["operator"],
  values: readonly string[],
): LabelRequirement {
  if (!isLabelKey(key)) throw new SelectorError(`key: Invalid value: ${JSON.stringify(key)}: ${KEY_RULE}`);
  const count = JSON.stringify(values);
  if ((operator === "In" || operator === "NotIn") && values.length === 0)
    throw new SelectorError(`values: Invalid value: ${count}: for 'in', 'notin' operators, values set can't be empty`);
  if ((operator === "Exists" || operator === "DoesNotExist") && values.length > 0)
    throw new SelectorError(`values: Invalid value: ${count}: values set must be empty for exists and does not exist`);
  if (operator === "Gt" || operator === "Lt") checkBound(values);
  const bad = values.find((value) => !isLabelValue(value));
  if (bad !== undefined)
    throw new SelectorError(`values[0][${key}]: Invalid value: ${JSON.stringify(bad)}: ${VALUE_RULE}`);
  return { key, operator, values };
}

function checkBound(values: readonly string[]): void {
  const [bound] = values;
  if (values.length !== 1 || bound === undefined)
    throw new SelectorError("values: for 'Gt', 'Lt' operators, exactly one value is required");
  if (!INTEGER.test(bound))
    throw new SelectorError(
      `values[0]: Invalid value: "${bound}": for 'Gt', 'Lt' operators, the value must be an integer`,
    );
}

/** The terms of a metav1.LabelSelector. An empty selector has none and matches everything. */
export function labelSelectorTerms(selector: LabelSelector): readonly LabelRequirement[] {
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => labelRequirement(key, "In", [value]));
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => {
    if (operator !== "In" && operator !== "NotIn" && operator !== "Exists" && operator !== "DoesNotExist")
      throw new SelectorError(`"${operator}" is not a valid label selector operator`);
    return labelRequirement(key, operator, values ?? []);
  });
  return [...labels, ...expressions];
}

/** Whether all terms hold. NotIn also holds for an object without the label. */
export function matchesLabels(
  terms: readonly LabelRequirement[],
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return terms.every(({ key, operator, values }) => {
    const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
    return HOLDS[operator](value, values);
  });
}

/** What each operator says about a label's value, undefined when the label is absent. */
const HOLDS: Record<LabelRequirement["operator"], (value: string | undefined, values: readonly string[]) => boolean> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
  Gt: (value, [bound]) => isInteger(value) && isInteger(bound) && BigInt(value) > BigInt(bound),
  Lt: (value, [bound]) => isInteger(value) && isInteger(bound) && BigInt(value) < BigInt(bound),
};

const isInteger = (text: string | undefined): text is string => text !== undefined && INTEGER.test(text);
