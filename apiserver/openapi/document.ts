import type { GroupVersion } from "../discovery/groups.ts";
import { bodyKind, subresourcesOf } from "../discovery/subresources.ts";
import type { Resource, VirtualResource } from "../registry/types.ts";
import { toOpenApi } from "../schema/openapi.ts";
import { DELETE_OPTIONS, LIST_META, OBJECT_META } from "./meta-schemas.ts";
import { type Operation, operation, type Target } from "./operations.ts";

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";
const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });

/** An OpenAPI v3 document. */
export interface V3Document {
  readonly openapi: string;
  readonly info: object;
  readonly paths: Readonly<Record<string, object>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
  readonly tags?: readonly object[];
}

/** The OpenAPI v3 document of one group-version: what `/openapi/v3/apis/<group>/<version>` answers. */
export function openApiDocument(groupVersion: GroupVersion, version: string): V3Document {
  const { group, resources, virtual } = groupVersion;
  const schemas: Record<string, object> = {
    [`${META}.ObjectMeta`]: OBJECT_META,
    [`${META}.ListMeta`]: LIST_META,
    [`${META}.DeleteOptions`]: DELETE_OPTIONS,
  };
  const paths: Record<string, object> = {};
  for (const resource of resources) {
    schemas[schemaName(resource)] = toOpenApi(resource.schema, resource);
    schemas[`${schemaName(resource)}List`] = listSchema(resource);
    Object.assign(paths, resourcePaths(resource, virtual));
  }
  for (const each of virtual) {
    const kind = { ...each, ...bodyKind(each) };
    schemas[schemaName(kind)] = toOpenApi(each.schema, kind);
    if (each.subresource === "") Object.assign(paths, virtualPaths(each));
  }
  return {
    openapi: "3.0.0",
    info: { title: "Ferrite", version },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: { schemas },
    ...(group === "" ? {} : { tags: [{ name: group }] }),
  };
}

/** `dev.ferrite.v1alpha1.Volume`; the core group has the name that clients know it by. */
function schemaName({ group, version, kind }: Target): string {
  const reversed = group === "" ? "io.k8s.api.core" : group.split(".").reverse().join(".");
  return `${reversed}.${version}.${kind}`;
}

function listSchema(resource: Resource): object {
  const { group, version, kind, listKind } = resource;
  return {
    type: "object",
    description: `${listKind} is a list of ${kind}`,
    required: ["items"],
    properties: {
      apiVersion: { type: "string", description: "API version of the list." },
      kind: { type: "string", description: "Kind of the list." },
      metadata: { description: "Standard list metadata.", allOf: [ref(`${META}.ListMeta`)] },
      items: { type: "array", description: `List of ${resource.plural}.`, items: ref(schemaName(resource)) },
    },
    "x-kubernetes-group-version-kind": [{ group, version, kind: listKind }],
  };
}

const rootOf = (group: string, version: string): string =>
  group === "" ? `/api/${version}` : `/apis/${group}/${version}`;

function resourcePaths(resource: Resource, virtual: readonly VirtualResource[]): Record<string, object> {
  const root = rootOf(resource.group, resource.version);
  const scope = resource.namespaced ? `${root}/namespaces/{namespace}` : root;
  const body = ref(schemaName(resource));
  const list = ref(`${schemaName(resource)}List`);
  const can = (operations: readonly Operation[]): Operation[] =>
    operations.filter(({ verb }) => resource.verbs.some((each) => each === verb));
  const listing = { verb: "list", answer: list } as const;
  const collection: Operation[] = [
    listing,
    { verb: "create", body, answer: body },
    { verb: "deletecollection", answer: list },
  ];
  const one: Operation[] = [
    { verb: "get", answer: body },
    { verb: "update", body, answer: body },
    { verb: "patch", body: { type: "object" }, answer: body },
    { verb: "delete", body: ref(`${META}.DeleteOptions`), answer: body },
  ];
  const paths: Record<string, object> = {
    [`${scope}/${resource.plural}`]: pathItem(resource, can(collection)),
    [`${scope}/${resource.plural}/{name}`]: pathItem(resource, can(one)),
  };
  if (resource.namespaced) paths[`${root}/${resource.plural}`] = pathItem(resource, can([listing]));
  for (const sub of subresourcesOf(resource, virtual)) {
    const shape = sub.group === resource.group && sub.kind === resource.kind ? body : { type: "object" };
    const operations = sub.verbs.map((verb) => ({ verb, body: shape, answer: shape }) as Operation);
    paths[`${scope}/${resource.plural}/{name}/${sub.name}`] = pathItem(
      { ...sub, builtin: resource.builtin },
      operations,
    );
  }
  return paths;
}

function virtualPaths(each: VirtualResource): Record<string, object> {
  const kind = { ...each, ...bodyKind(each) };
  const shape = ref(schemaName(kind));
  const root = rootOf(each.group, each.version);
  const scope = each.namespaced ? `${root}/namespaces/{namespace}` : root;
  return { [`${scope}/${each.plural}`]: pathItem(kind, [{ verb: "create", body: shape, answer: shape }]) };
}

const pathItem = (target: Target, operations: readonly Operation[]): object =>
  Object.fromEntries(operations.map((each) => operation(target, each)));
