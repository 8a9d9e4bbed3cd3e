import type { PolicyRule, RoleObject } from "../../builtin/kinds/rbac.ts";

/** metav1.LabelSelector. */
interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

function matches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const plain = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return plain && (selector.matchExpressions ?? []).every((expression) => expressionMatches(expression, labels));
}

/** An unknown operator selects nothing: rights come from what is understood only. */
function expressionMatches(
  { key, operator, values = [] }: NonNullable<LabelSelector["matchExpressions"]>[number],
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/** Rules that an aggregated role should have now: those of all roles selected, in order of name, each once. */
export function aggregatedRules(role: RoleObject, all: readonly RoleObject[]): readonly PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []) as readonly LabelSelector[];
  const name = (one: RoleObject) => one.metadata.name ?? "";
  const chosen = all
    .filter((one) => name(one) !== name(role))
    .filter((one) => selectors.some((selector) => matches(selector, one.metadata.labels ?? {})))
    .toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
  const seen = new Set<string>();
  return chosen
    .flatMap((one) => one.rules ?? [])
    .filter((rule) => {
      const key = JSON.stringify(rule);
      return seen.has(key) ? false : (seen.add(key), true);
    });
}
