import type { PolicyRule } from "../../builtin/kinds/rbac.ts";
import type { Attributes } from "../types.ts";

const has = (list: readonly string[] | undefined, value: string): boolean =>
  list?.includes(value) === true || list?.includes("*") === true;

/** RBAC writes a subresource as `pods/log`, and any resource's as `*\/log`. */
function resourceMatches(rule: PolicyRule, resource: string, subresource: string): boolean {
  const resources = rule.resources ?? [];
  if (subresource === "") return has(resources, resource);
  return has(resources, `${resource}/${subresource}`) || resources.includes(`*/${subresource}`);
}

/** `/metrics` or `/healthz/*`; `*` alone is everything. */
export function urlMatches(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1));
}

const FIELD_SELECTOR_VERBS = ["list", "watch", "deletecollection"];

/** The one object that a list or watch can see, when its field selector pins `metadata.name`; else the request's name. */
export function nameAsked(attributes: Attributes): string {
  if (attributes.name !== "" || !FIELD_SELECTOR_VERBS.includes(attributes.verb)) return attributes.name;
  for (const term of (attributes.fieldSelector ?? "").split(",")) {
    const name = /^metadata\.name==?([^=]+)$/.exec(term.trim())?.[1];
    if (name !== undefined) return name;
  }
  return "";
}

/** Whether one rule, by itself, allows the request. Scope (which namespace) is the binding's business. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if (!attributes.resourceRequest) return (rule.nonResourceURLs ?? []).some((url) => urlMatches(url, attributes.path));
  if (!has(rule.apiGroups, attributes.apiGroup)) return false;
  if (!resourceMatches(rule, attributes.resource, attributes.subresource)) return false;
  return !rule.resourceNames?.length || rule.resourceNames.includes(nameAsked(attributes));
}

const names = (list: readonly string[] | undefined): readonly string[] => list ?? [];

/** One verb on one thing: what a rule falls into, so that coverage by several rules together can be told. */
function atoms(rule: PolicyRule): readonly PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const verb of names(rule.verbs)) {
    for (const url of names(rule.nonResourceURLs)) parts.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of names(rule.apiGroups)) {
      for (const resource of names(rule.resources)) {
        const base = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (!rule.resourceNames?.length) parts.push(base);
        else for (const name of rule.resourceNames) parts.push({ ...base, resourceNames: [name] });
      }
    }
  }
  return parts;
}

function covers(owned: PolicyRule, atom: PolicyRule): boolean {
  if (!has(owned.verbs, atom.verbs?.[0] ?? "")) return false;
  const url = atom.nonResourceURLs?.[0];
  if (url !== undefined) return names(owned.nonResourceURLs).some((pattern) => urlMatches(pattern, url));
  if (!has(owned.apiGroups, atom.apiGroups?.[0] ?? "")) return false;
  const [resource = "", subresource = ""] = (atom.resources?.[0] ?? "").split("/");
  if (!resourceMatches(owned, resource, subresource)) return false;
  if (!owned.resourceNames?.length) return true;
  const name = atom.resourceNames?.[0];
  return name !== undefined && owned.resourceNames.includes(name);
}

/** What of `wanted` the owner of `owned` does not hold, as single verbs on single things; empty: all is covered. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap(atoms).filter((atom) => !owned.some((rule) => covers(rule, atom)));
}
