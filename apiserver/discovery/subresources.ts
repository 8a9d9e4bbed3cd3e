import type { Resource, VirtualResource } from "../registry/types.ts";

/** A subresource as discovery shows it. */
export interface SubresourceInfo {
  readonly name: string;
  readonly verbs: readonly string[];
  /** Of body and answer. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Everything that can stand behind `<plural>/<name>/`, by name. */
export function subresourcesOf(resource: Resource, virtual: readonly VirtualResource[]): readonly SubresourceInfo[] {
  const { group, version, kind } = resource;
  const own = { group, version, kind };
  const verbs = ["get", "patch", "update"];
  const found: SubresourceInfo[] = Object.entries(resource.custom).map(([name, { verbs }]) => ({
    name,
    verbs,
    ...own,
  }));
  if (resource.status) found.push({ name: "status", verbs, ...own });
  if (resource.scale !== undefined) {
    found.push({ name: "scale", verbs, group: "autoscaling", version: "v1", kind: "Scale" });
  }
  for (const each of virtual) {
    if (each.plural === resource.plural && each.subresource !== "") {
      found.push({ name: each.subresource, verbs: ["create"], ...bodyKind(each) });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Group, version and kind of a virtual resource's body and answer. */
export function bodyKind({
  bodyApiVersion,
  kind,
}: VirtualResource): Pick<SubresourceInfo, "group" | "version" | "kind"> {
  const [group, version] = bodyApiVersion.includes("/") ? bodyApiVersion.split("/", 2) : ["", bodyApiVersion];
  return { group: group ?? "", version: version ?? "", kind };
}
