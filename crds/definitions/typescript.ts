import { API_VERSION, GROUP, VERSION } from "../constants.ts";
import type { KindDefinition } from "./kind-definition.ts";
import type { SchemaNode } from "./schema-node.ts";

const HEADER = "// Made by hack/generate from crds/definitions/. Do not edit.\n";

/** What the formatter breaks lines at. */
const LINE_WIDTH = 120;

/** Types that stand in hand-written or shared files. */
const IMPORTS: Readonly<Record<string, string>> = {
  Condition: "../../machinery/object.ts",
  Quantity: "./shared.ts",
};

/** TypeScript sources by file name: one for each kind, `shared.ts` for what several use, `kinds.ts` for the list. */
export function typeScriptSources(kinds: readonly KindDefinition[]): ReadonlyMap<string, string> {
  const byKind = kinds.map((kind) => ({ kind, types: namedTypes(kind) }));
  const shared = sharedNames(byKind.map(({ types }) => types));
  const sharedTypes = new Map(byKind.flatMap(({ types }) => [...types].filter(([name]) => shared.has(name))));
  const files = new Map([["shared.ts", sharedSource(sharedTypes)]]);
  for (const { kind, types } of byKind) {
    const own = new Map([...types].filter(([name]) => !shared.has(name)));
    files.set(`${kebab(kind.kind)}.ts`, kindSource(kind, own, shared));
  }
  files.set("kinds.ts", kindsSource(kinds));
  return files;
}

export const kebab = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();

/** Plural in capitals: the name of a kind's constant, such as VOLUME_GROUPS. */
const constantName = (kind: KindDefinition): string => {
  const words = kebab(kind.kind).replaceAll("-", "_").toUpperCase();
  return words.endsWith("Y") ? `${words.slice(0, -1)}IES` : `${words}S`;
};

function namedTypes(kind: KindDefinition): Map<string, SchemaNode> {
  const found = new Map<string, SchemaNode>();
  const visit = (node: SchemaNode) => {
    if (node.ts?.import !== undefined) return;
    for (const child of Object.values(node.properties ?? {})) visit(child);
    if (node.items !== undefined) visit(node.items);
    if (node.additionalProperties !== undefined) visit(node.additionalProperties);
    const name = node.ts?.name;
    if (name === undefined) return;
    const known = found.get(name);
    if (known !== undefined && typeText(known) !== typeText(node)) throw new Error(`two types are named ${name}`);
    if (known === undefined) found.set(name, node);
  };
  // A type is met after those it is made of; the file lists them in reverse: the spec first, details last.
  if (kind.status !== undefined) visit(kind.status);
  visit(kind.spec);
  return found;
}

function sharedNames(all: readonly Map<string, SchemaNode>[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const name of all.flatMap((types) => [...types.keys()])) (seen.has(name) ? shared : seen).add(name);
  // What a shared type is made of is shared too.
  const types = new Map(all.flatMap((one) => [...one]));
  for (const name of shared) {
    for (const used of usedNames(bodyText(types.get(name) ?? {}))) if (types.has(used)) shared.add(used);
  }
  return shared;
}

const usedNames = (source: string): string[] => [...source.matchAll(/\b[A-Z]\w+\b/g)].map(([name]) => name);

function sharedSource(types: ReadonlyMap<string, SchemaNode>): string {
  return [
    HEADER,
    'import type { ObjectMeta } from "../../machinery/object.ts";\n',
    "/** Metadata of an object that the API server returned. */",
    "export interface ClusterMeta extends Readonly<ObjectMeta> {\n  readonly name: string;\n}\n",
    "export interface NamespacedMeta extends ClusterMeta {\n  readonly namespace: string;\n}\n",
    "/** An amount as Kubernetes writes it: `10Gi`, or a whole number of bytes. */",
    "export type Quantity = string | number;\n",
    ...[...types].sort(byName).map(([name, node]) => interfaceText(name, node)),
  ].join("\n");
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);

function kindSource(kind: KindDefinition, own: ReadonlyMap<string, SchemaNode>, shared: ReadonlySet<string>): string {
  const interfaces = [...own].map(([name, node]) => interfaceText(name, node));
  const meta = kind.scope === "Cluster" ? "ClusterMeta" : "NamespacedMeta";
  const body = [
    rootText(kind, meta),
    ...interfaces.reverse(),
    `export const ${constantName(kind)}: ResourceType<${kind.kind}> = {`,
    `  group: "${GROUP}",`,
    `  version: "${VERSION}",`,
    `  kind: "${kind.kind}",`,
    `  plural: "${kind.plural}",`,
    `  namespaced: ${kind.scope === "Namespaced"},`,
    "};\n",
  ].join("\n");
  return [HEADER, importText(body, shared), "", body].join("\n");
}

function importText(body: string, shared: ReadonlySet<string>): string {
  const used = new Set(usedNames(body.replaceAll(/\/\*\*.*?\*\//gs, "")));
  const fromShared = ["ClusterMeta", "NamespacedMeta", "Quantity", ...shared].filter((name) => used.has(name)).sort();
  return [
    ...(used.has("Condition") ? [`import type { Condition } from "${IMPORTS["Condition"]}";`] : []),
    'import type { ResourceType } from "../../machinery/resource-type.ts";',
    importLine(fromShared),
  ].join("\n");
}

function importLine(names: readonly string[]): string {
  const line = `import type { ${names.join(", ")} } from "./shared.ts";`;
  if (line.length <= LINE_WIDTH) return line;
  return `import type {\n${names.map((name) => `  ${name},\n`).join("")}} from "./shared.ts";`;
}

/** A type alias, not an interface: only then is it assignable to the open `KubeObject`. */
function rootText(kind: KindDefinition, meta: string): string {
  return [
    comment(kind.description, ""),
    `export type ${kind.kind} = {`,
    `  readonly apiVersion: "${API_VERSION}";`,
    `  readonly kind: "${kind.kind}";`,
    `  readonly metadata: ${meta};`,
    `  readonly spec: ${typeText(kind.spec)};`,
    ...(kind.status === undefined ? [] : [`  readonly status?: ${typeText(kind.status)};`]),
    "};\n",
  ].join("\n");
}

const interfaceText = (name: string, node: SchemaNode): string =>
  `${comment(node.description ?? "", "")}\nexport interface ${name} ${bodyText(node)}\n`;

/** Fields in braces. A field with a default is always there in what the API server returns. */
function bodyText(node: SchemaNode, indent = ""): string {
  const required = new Set(node.required);
  const lines = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const optional = required.has(name) || child.default !== undefined ? "" : "?";
    return [
      comment(child.description ?? "", `${indent}  `),
      `${indent}  readonly ${name}${optional}: ${typeText(child, `${indent}  `)};`,
    ];
  });
  return ["{", ...lines, `${indent}}`].join("\n");
}

function typeText(node: SchemaNode, indent = ""): string {
  if (node.ts?.import !== undefined) return node.ts.import;
  if (node.ts?.name !== undefined) return node.ts.name;
  if (node.enum !== undefined) return node.enum.map((value) => `"${value}"`).join(" | ");
  if (node.additionalProperties !== undefined) {
    return `Readonly<Record<string, ${typeText(node.additionalProperties, indent)}>>`;
  }
  if (node.properties !== undefined) return bodyText(node, indent);
  if (node.items !== undefined) return arrayText(node.items, indent);
  return { string: "string", integer: "number", number: "number", boolean: "boolean", array: "", object: "" }[
    node.type ?? "object"
  ];
}

function arrayText(items: SchemaNode, indent: string): string {
  const item = items.ts?.import === "Condition" ? "Readonly<Condition>" : typeText(items, indent);
  return item.includes(" | ") ? `readonly (${item})[]` : `readonly ${item}[]`;
}

function comment(description: string, indent: string): string {
  const words = description.replaceAll("*/", "*").split(" ");
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && indent.length + last.length + word.length + 8 <= 118)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  if (lines.length === 1) return `${indent}/** ${lines[0]} */`;
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`].join("\n");
}

function kindsSource(kinds: readonly KindDefinition[]): string {
  return [
    HEADER,
    'import type { ResourceType } from "../../machinery/resource-type.ts";',
    ...kinds.map((kind) => `import { ${constantName(kind)} } from "./${kebab(kind.kind)}.ts";`),
    "",
    "/** Every kind of the group. */",
    `export const ALL_KINDS: readonly ResourceType[] = [\n${kinds.map((kind) => `  ${constantName(kind)},`).join("\n")}\n];`,
    "",
  ].join("\n");
}
