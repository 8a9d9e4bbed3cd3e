import { readdirSync, readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { describe, expect, it, test } from "vitest";
import { DEFAULT_CLUSTER_ROLE_BINDINGS, DEFAULT_CLUSTER_ROLES } from "../../../apiserver/access/rbac/default-roles.ts";
import { compileSchema } from "../../../apiserver/schema/compile.ts";
import { validateCrd } from "../../../apiserver/schema/crd.ts";
import type { SchemaNode } from "../../../apiserver/schema/types.ts";
import { admit } from "../../../crds/admission/admit.ts";
import { ALL_KINDS } from "../../../crds/generated/kinds.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { creating, lister } from "./admission/world.ts";

const objects = (path: string): KubeObject[] =>
  parseAllDocuments(readFileSync(path, "utf8")).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
const inFolder = (folder: string, suffix: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => `${folder}/${name}`);

interface Crd extends KubeObject {
  spec: { names: { kind: string }; versions: { schema: { openAPIV3Schema: SchemaNode } }[] };
}
const crds = inFolder("crds", ".yaml").flatMap((path) => objects(path) as Crd[]);
const schemas = new Map(
  crds.map(({ spec }) => [spec.names.kind, compileSchema(spec.versions[0]!.schema.openAPIV3Schema)]),
);

describe("CustomResourceDefinitions", () => {
  it("are there for every kind", () => {
    expect([...schemas.keys()].sort()).toEqual(ALL_KINDS.map(({ kind }) => kind).sort());
  });

  test.each(crds.map((crd) => [crd.metadata.name, crd]))("%s is accepted", (_name, crd) => {
    expect(validateCrd(crd)).toEqual([]);
  });
});

const samples = inFolder("manifests/samples", ".yaml").flatMap(objects);
const named = samples.map((sample) => [`${sample.kind} ${sample.metadata.name}`, sample] as const);

describe("samples", () => {
  test.each(named)("%s says nothing that its schema does not know, and is valid", (_name, sample) => {
    const schema = schemas.get(sample.kind)!;
    const object = structuredClone(sample);
    expect(schema.prune(object)).toEqual([]);
    schema.applyDefaults(object);
    expect(schema.validate(object)).toEqual([]);
  });

  it("are granted together", () => {
    const world: KubeObject[] = [];
    for (const sample of samples) {
      const object = structuredClone(sample);
      schemas.get(sample.kind)?.applyDefaults(object);
      if (ALL_KINDS.find(({ kind }) => kind === sample.kind)?.namespaced) object.metadata.namespace = "default";
      expect(admit(creating(object), lister(...world)), `${sample.kind} ${sample.metadata.name}`).toEqual([]);
      world.push(object);
    }
  });
});

describe("manifests/rbac", () => {
  it("gives a Kubernetes cluster the roles that the standalone server has", () => {
    const plain = ({ metadata: { name, labels = {} }, ...rest }: KubeObject) => {
      const kept = Object.entries(labels).filter(([key]) => !key.startsWith("kubernetes.io/"));
      return { ...rest, name, labels: Object.fromEntries(kept) };
    };
    const builtIn = [...DEFAULT_CLUSTER_ROLES, ...DEFAULT_CLUSTER_ROLE_BINDINGS] as unknown as KubeObject[];
    const ours = builtIn.filter(({ metadata }) => metadata.name?.startsWith("ferrite:"));
    expect(objects("manifests/rbac/roles.yaml").map(plain)).toEqual(ours.map(plain));
  });

  it("names only kinds that there are", () => {
    const plurals = new Set(ALL_KINDS.map(({ plural }) => plural));
    const rules = objects("manifests/rbac/hosts.yaml").flatMap(
      (object) => (object["rules"] as { apiGroups: string[]; resources: string[] }[] | undefined) ?? [],
    );
    const named = rules
      .filter(({ apiGroups }) => apiGroups.includes("ferrite.dev"))
      .flatMap(({ resources }) => resources);
    expect(named.filter((name) => name !== "*" && !plurals.has(name.split("/")[0]!))).toEqual([]);
  });
});
