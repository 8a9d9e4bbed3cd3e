import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { compileSchema } from "../../../../apiserver/schema/compile.ts";
import { validateCrd } from "../../../../apiserver/schema/crd.ts";
import { pruneCrd } from "../../../../apiserver/schema/crd-shape.ts";
import type { SchemaNode } from "../../../../apiserver/schema/types.ts";
import type { KubeObject } from "../../../../machinery/object.ts";

const FOLDER = new URL("../../../../crds/", import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
const load = (name: string): KubeObject => parse(readFileSync(new URL(name, FOLDER), "utf8")) as KubeObject;

it("finds the project's own definitions", () => {
  expect(files.length).toBeGreaterThan(5);
});

it.each(files)("%s is accepted as it is, without unknown fields", (name) => {
  const crd = load(name);
  const before = structuredClone(crd);
  expect(pruneCrd(crd)).toEqual([]);
  expect(crd).toEqual(before);
  expect(validateCrd(crd)).toEqual([]);
});

it.each(files)("an empty object of %s is refused or accepted with reasons, never with a broken rule", (name) => {
  const { versions, names, group } = load(name)["spec"] as {
    group: string;
    names: { kind: string };
    versions: { name: string; schema: { openAPIV3Schema: SchemaNode } }[];
  };
  for (const version of versions) {
    const compiled = compileSchema(version.schema.openAPIV3Schema);
    const object = { apiVersion: `${group}/${version.name}`, kind: names.kind, metadata: { name: "x" }, spec: {} };
    compiled.prune(object);
    compiled.applyDefaults(object);
    for (const { message } of compiled.validate(object)) expect(message).not.toContain("rule compile error");
  }
});
