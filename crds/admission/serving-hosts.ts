import { type Export, EXPORTS } from "../generated/export.ts";
import { type Import, IMPORTS } from "../generated/import.ts";
import { type Mirror, MIRRORS } from "../generated/mirror.ts";
import type { LocalRef } from "../generated/shared.ts";
import { VOLUME_GROUPS } from "../generated/volume-group.ts";
import { VOLUMES } from "../generated/volume.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { Lister } from "./types.ts";

/** Exactly one of the three is set. */
export interface BlockSource {
  readonly volumeRef?: LocalRef;
  readonly mirrorRef?: LocalRef;
  readonly importRef?: LocalRef;
}

type Named = { readonly metadata: { readonly namespace?: string; readonly name?: string } };

/** The object with that name; `namespace` "" for cluster scope. */
export function find<T>(lister: Lister, type: ResourceType<T>, namespace: string, name: string): T | undefined {
  return lister.list(type).find((object) => {
    const { metadata } = object as Named;
    return metadata.name === name && (metadata.namespace ?? "") === namespace;
  });
}

/** Hosts that keep a copy of a mirror: wanted and present. */
export function mirrorHosts(mirror: Mirror): readonly string[] {
  const wanted = mirror.spec.replicas?.map(({ hostName }) => hostName) ?? [];
  const present = mirror.status?.replicas?.map(({ hostName }) => hostName) ?? [];
  return [...new Set([...wanted, ...present])];
}

/** Every host that serves a block source now, or could after a failover. Empty when that is not known yet. */
export function servingHosts(lister: Lister, namespace: string, source: BlockSource): readonly string[] {
  if (source.mirrorRef !== undefined) {
    const mirror = find(lister, MIRRORS, namespace, source.mirrorRef.name);
    return mirror === undefined ? [] : mirrorHosts(mirror);
  }
  if (source.importRef !== undefined) {
    const imported = find(lister, IMPORTS, namespace, source.importRef.name);
    return imported === undefined ? [] : [imported.spec.hostName];
  }
  if (source.volumeRef === undefined) return [];
  const volume = find(lister, VOLUMES, namespace, source.volumeRef.name);
  return volume === undefined ? [] : volumeGroupHosts(lister, volume.spec.volumeGroupRef.name);
}

function volumeGroupHosts(lister: Lister, name: string): readonly string[] {
  const group = find(lister, VOLUME_GROUPS, "", name);
  if (group?.spec.hostName !== undefined) return [group.spec.hostName];
  const ref = group?.spec.physicalVolumes[0]?.mirrorRef;
  const mirror = ref && find(lister, MIRRORS, ref.namespace, ref.name);
  return mirror === undefined ? [] : mirrorHosts(mirror);
}

/** The Export that an Import attaches. */
export function exportOf(lister: Lister, imported: Import): Export | undefined {
  return find(lister, EXPORTS, imported.metadata.namespace, imported.spec.exportRef.name);
}
