import type { Registry } from "../registry/registry.ts";
import type { Resource, VirtualResource } from "../registry/types.ts";
import { compareVersions } from "../registry/version-order.ts";

/** One group-version as discovery shows it. */
export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly Resource[];
  readonly virtual: readonly VirtualResource[];
}

export interface Group {
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly GroupVersion[];
}

/** All groups but the core group, by name; `groupOf(registry, "")` gives that. */
export function groups(registry: Registry): readonly Group[] {
  const names = new Set([...registry.all(), ...registry.virtual()].map(({ group }) => group));
  names.delete("");
  return [...names].sort().map((name) => groupOf(registry, name));
}

export function groupOf(registry: Registry, name: string): Group {
  const resources = registry.all().filter(({ group }) => group === name);
  const virtual = registry.virtual().filter(({ group }) => group === name);
  const versions = [...new Set([...resources, ...virtual].map(({ version }) => version))].sort(compareVersions);
  return {
    name,
    versions: versions.map((version) => ({
      group: name,
      version,
      resources: resources.filter((each) => each.version === version).sort(byPlural),
      virtual: virtual.filter((each) => each.version === version).sort(byPlural),
    })),
  };
}

const byPlural = (a: { readonly plural: string }, b: { readonly plural: string }): number =>
  a.plural < b.plural ? -1 : a.plural > b.plural ? 1 : 0;

export const groupVersionText = (group: string, version: string): string =>
  group === "" ? version : `${group}/${version}`;
