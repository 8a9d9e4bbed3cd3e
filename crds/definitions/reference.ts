import { API_VERSION } from "../constants.ts";
import type { KindDefinition } from "./kind-definition.ts";
import { LABEL_NAME } from "./kind-definition.ts";
import type { SchemaNode } from "./schema-node.ts";
import { kebab } from "./typescript.ts";

const HEADER = "<!-- Made by hack/generate from crds/definitions/. Do not edit. -->\n";

/** One page for each kind, and `README.md`, which lists them. */
export function referencePages(kinds: readonly KindDefinition[]): ReadonlyMap<string, string> {
  const pages = kinds.map((kind) => [`${kebab(kind.kind)}.md`, page(kind)] as const);
  return new Map([["README.md", overview(kinds)], ...pages]);
}

function overview(kinds: readonly KindDefinition[]): string {
  const rows = kinds.map(
    ({ kind, shortNames, scope, description }) =>
      `| [${kind}](${kebab(kind)}.md) | ${shortNames.join(", ")} | ${scope === "Cluster" ? "cluster" : "namespace"} | ${cell(description)} |`,
  );
  return [
    HEADER,
    `# API reference: ${API_VERSION}\n`,
    "`kubectl explain KIND.spec` says the same. `kubectl get ferrite` lists objects of all kinds.\n",
    "| Kind | Short | Scope | What it is |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function page(kind: KindDefinition): string {
  const rules = [kind.nameRule ?? LABEL_NAME, ...(kind.rules ?? [])];
  return [
    HEADER,
    `# ${kind.kind}\n`,
    `${kind.description}\n`,
    `\`${API_VERSION}\`, ${kind.scope === "Cluster" ? "cluster-scoped" : "namespaced"}; \`kubectl get ${kind.plural}\` or ` +
      `\`${kind.shortNames.join("`, `")}\`.\n`,
    ...rules.map(({ message }) => `- ${message}`),
    "",
    ...section("spec", kind.spec),
    ...(kind.status === undefined ? [] : section("status", kind.status)),
  ].join("\n");
}

function section(name: string, node: SchemaNode): string[] {
  const rows = fields(node, name);
  const rules = rulesOf(node, name);
  return [
    `## ${name}\n`,
    `${node.description ?? ""}\n`,
    "| Field | Type | What it says |",
    "|---|---|---|",
    ...rows,
    "",
    ...(rules.length === 0 ? [] : ["Rules", ...rules, ""]),
  ];
}

/** One row for each field, those inside objects and lists too, by their path. */
function fields(node: SchemaNode, path: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const own = `${path}.${name}`;
    const required = node.required?.includes(name) ? ", required" : "";
    const inner = child.items ?? child;
    const below = isCondition(child) ? [] : fields(inner, child.items === undefined ? own : `${own}[]`);
    return [
      `| \`${own}\` | ${typeName(child)}${required}${fallback(child)} | ${cell(child.description ?? "")} |`,
      ...below,
    ];
  });
}

/** Conditions have the same fields everywhere; which there are, stands in the description. */
const isCondition = (node: SchemaNode): boolean => node.items?.ts?.import === "Condition";

function typeName(node: SchemaNode): string {
  if (node.ts?.import === "Quantity") return "quantity";
  if (isCondition(node)) return "list of conditions";
  if (node.items !== undefined)
    return `list of ${node.items.type === "object" ? "objects" : `${typeName(node.items)}s`}`;
  if (node.additionalProperties !== undefined) return "map";
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(" or ");
  return node.format === "date-time" ? "time" : (node.type ?? "any");
}

const fallback = (node: SchemaNode): string =>
  node.default === undefined || typeof node.default === "object"
    ? ""
    : `, default \`${JSON.stringify(node.default).replaceAll(`"`, "")}\``;

function rulesOf(node: SchemaNode, path: string): string[] {
  const own = (node["x-kubernetes-validations"] ?? []).map(({ message }) => `- \`${path}\`: ${message}`);
  const below = Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    rulesOf(child.items ?? child, child.items === undefined ? `${path}.${name}` : `${path}.${name}[]`),
  );
  return [...own, ...below];
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/<(\w+)>/g, "&lt;$1&gt;");
