import type { Registry } from "../registry/registry.ts";
import type { Resource, VirtualResource } from "../registry/types.ts";
import { type Group, type GroupVersion, groupOf, groups } from "./groups.ts";
import { bodyKind, subresourcesOf } from "./subresources.ts";

/** APIGroupDiscoveryList (apidiscovery.k8s.io) of `/api` or `/apis`: all resources of all versions in one document. */
export function aggregatedDiscovery(registry: Registry, root: "api" | "apis", version: "v2" | "v2beta1"): object {
  const shown = root === "api" ? [groupOf(registry, "")] : groups(registry);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: shown.map((group) => describeGroup(group)),
  };
}

const describeGroup = ({ name, versions }: Group): object => ({
  metadata: name === "" ? {} : { name },
  versions: versions.map((version) => ({
    version: version.version,
    resources: [
      ...version.resources.map((resource) => describeResource(resource, version)),
      ...version.virtual.filter(({ subresource }) => subresource === "").map((each) => describeVirtual(each)),
    ],
    freshness: "Current",
  })),
});

function describeResource(resource: Resource, { virtual }: GroupVersion): object {
  const { plural, group, version, kind, namespaced, singular, verbs, shortNames, categories } = resource;
  const behind = subresourcesOf(resource, virtual).map((each) => ({
    subresource: each.name,
    responseKind: { group: each.group, version: each.version, kind: each.kind },
    verbs: each.verbs,
  }));
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: [...verbs].sort(),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(behind.length === 0 ? {} : { subresources: behind }),
  };
}

const describeVirtual = (each: VirtualResource): object => ({
  resource: each.plural,
  responseKind: bodyKind(each),
  scope: each.namespaced ? "Namespaced" : "Cluster",
  singularResource: each.singular,
  verbs: ["create"],
});
