import { readdirSync, readFileSync } from "node:fs";
import { parse as parseCel } from "@marcbachmann/cel-js";
import { describe, expect, it, test } from "vitest";
import { KINDS } from "../../../crds/definitions/all.ts";
import { generatedFiles } from "../../../crds/definitions/generated-files.ts";
import type { SchemaNode } from "../../../crds/definitions/schema-node.ts";

const files = generatedFiles();

/** Every node of a schema with its path. */
function* nodes(node: SchemaNode, path: string): Generator<readonly [string, SchemaNode]> {
  yield [path, node];
  for (const [name, child] of Object.entries(node.properties ?? {})) yield* nodes(child, `${path}.${name}`);
  if (node.items !== undefined) yield* nodes(node.items, `${path}[]`);
  if (node.additionalProperties !== undefined) yield* nodes(node.additionalProperties, `${path}{}`);
}

const schemas = KINDS.flatMap((kind) => [
  ...nodes(kind.spec, `${kind.kind}.spec`),
  ...(kind.status === undefined ? [] : nodes(kind.status, `${kind.kind}.status`)),
]);
const rules = [
  ...schemas.flatMap(([path, node]) => (node["x-kubernetes-validations"] ?? []).map((rule) => [path, rule] as const)),
  ...KINDS.flatMap((kind) => (kind.rules ?? []).map((rule) => [kind.kind, rule] as const)),
  ...KINDS.flatMap((kind) => (kind.nameRule === undefined ? [] : [[kind.kind, kind.nameRule] as const])),
];

describe("what hack/generate makes", () => {
  test.each([...files.keys()])("%s is up to date", (path) => {
    expect(readFileSync(path, "utf8"), "run hack/generate").toBe(files.get(path));
  });

  test.each(["crds", "crds/generated", "docs/reference"])("nothing else is in %s", (folder) => {
    const found = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    const left = found.map(({ name }) => `${folder}/${name}`).filter((path) => /\.yaml$|generated/.test(path));
    expect(left.filter((path) => !files.has(path))).toEqual([]);
  });
});

describe("the definitions", () => {
  it("describe every property", () => {
    const silent = schemas.filter(([path, node]) => !path.endsWith("]") && !path.endsWith("}") && !node.description);
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  it("bound every list and map, so that rules have a bounded cost", () => {
    const unbounded = schemas.filter(
      ([, node]) =>
        (node.type === "array" && node.maxItems === undefined) ||
        (node.additionalProperties !== undefined && node.maxProperties === undefined),
    );
    expect(unbounded.map(([path]) => path)).toEqual([]);
  });

  test.each(rules.map(([path, { rule }]) => [path, rule]))("%s: %s is CEL", (_path, rule) => {
    expect(() => parseCel(rule)).not.toThrow();
  });

  it("use oldSelf only where the old value can be found", () => {
    const inAtomicList = rules.filter(([path, rule]) => path.includes("[]") && rule.rule.includes("oldSelf"));
    expect(inAtomicList.map(([path]) => path)).toEqual([]);
  });

  it("give map keys that are required scalars", () => {
    const broken = schemas.filter(([, node]) =>
      (node["x-kubernetes-list-map-keys"] ?? []).some((key) => !node.items?.required?.includes(key)),
    );
    expect(broken.map(([path]) => path)).toEqual([]);
  });

  it("use patterns that both RE2 and JavaScript read", () => {
    for (const [path, node] of schemas) {
      if (node.pattern === undefined) continue;
      expect(() => new RegExp(node.pattern ?? "", "u"), path).not.toThrow();
      expect(node.pattern, path).not.toMatch(/\(\?[=!<]|\\\d|\\u/);
    }
  });
});
