import type { Registry } from "../registry/registry.ts";
import type { Resource, VirtualResource } from "../registry/types.ts";
import { type Group, type GroupVersion, groupOf, groups, groupVersionText } from "./groups.ts";
import { bodyKind, subresourcesOf } from "./subresources.ts";

/** `/api` for clients that do not know aggregated discovery. */
export const apiVersions = (serverAddress: string): object => ({
  kind: "APIVersions",
  versions: ["v1"],
  serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress }],
});

/** `/apis`. */
export const apiGroupList = (registry: Registry): object => ({
  kind: "APIGroupList",
  apiVersion: "v1",
  groups: groups(registry).map((group) => describeGroup(group)),
});

/** `/apis/<group>`; `undefined`: there is no such group. */
export function apiGroup(registry: Registry, name: string): object | undefined {
  const group = groupOf(registry, name);
  if (name === "" || group.versions.length === 0) return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...describeGroup(group) };
}

function describeGroup({ name, versions }: Group): object {
  const described = versions.map(({ version }) => ({ groupVersion: groupVersionText(name, version), version }));
  return { name, versions: described, preferredVersion: described[0] };
}

/** `/api/v1` and `/apis/<group>/<version>`; `undefined`: it is not served. */
export function apiResourceList(registry: Registry, group: string, version: string): object | undefined {
  const found = groupOf(registry, group).versions.find((each) => each.version === version);
  if (found === undefined) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: groupVersionText(group, version),
    resources: [
      ...found.resources.flatMap((resource) => describeResource(resource, found)),
      ...found.virtual.filter(({ subresource }) => subresource === "").map((each) => describeVirtual(each)),
    ],
  };
}

function describeResource(resource: Resource, { virtual }: GroupVersion): object[] {
  const { plural, singular, namespaced, kind, verbs, shortNames, categories } = resource;
  const main = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: [...verbs].sort(),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  };
  const behind = subresourcesOf(resource, virtual).map((each) => ({
    name: `${plural}/${each.name}`,
    singularName: "",
    namespaced,
    ...(each.group === resource.group && each.version === resource.version
      ? {}
      : { group: each.group, version: each.version }),
    kind: each.kind,
    verbs: each.verbs,
  }));
  return [main, ...behind];
}

const describeVirtual = (each: VirtualResource): object => ({
  name: each.plural,
  singularName: each.singular,
  namespaced: each.namespaced,
  kind: bodyKind(each).kind,
  verbs: ["create"],
});
