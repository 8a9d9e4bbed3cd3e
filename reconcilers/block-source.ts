import type { Import } from "../crds/generated/import.ts";
import type { MirrorReplica } from "../crds/generated/mirror-replica.ts";
import type { Mirror } from "../crds/generated/mirror.ts";
import type { LocalRef } from "../crds/generated/shared.ts";
import type { Volume } from "../crds/generated/volume.ts";
import { findCondition } from "../machinery/conditions.ts";
import { GROUP_LEAVES } from "./lvm-scope.ts";
import type { ObjectReader } from "./object-access.ts";

/** Exactly one of the three is set. */
export interface BlockSource {
  readonly volumeRef?: LocalRef;
  readonly mirrorRef?: LocalRef;
  readonly importRef?: LocalRef;
}

export const sourceName = ({ volumeRef, mirrorRef, importRef }: BlockSource): string => {
  if (volumeRef !== undefined) return `Volume ${volumeRef.name}`;
  return mirrorRef === undefined ? `Import ${importRef?.name ?? ""}` : `Mirror ${mirrorRef.name}`;
};

export interface PlaceSources {
  readonly volumes: ObjectReader<Volume>;
  readonly mirrors: ObjectReader<Mirror>;
  readonly imports: ObjectReader<Import>;
}

export interface Missing {
  readonly reason: string;
  readonly message: string;
}

const missing = (reason: string, message: string): Missing => ({ reason, message });

/** The host where a block source is to be used: of the volume, of the mirror's primary, of the import. */
export function sourceHost(namespace: string, source: BlockSource, from: PlaceSources): string | Missing {
  const { volumeRef, mirrorRef, importRef } = source;
  const gone = missing("SourceMissing", `${sourceName(source)} is not there`);
  if (volumeRef !== undefined) {
    const volume = from.volumes.get({ namespace, name: volumeRef.name });
    if (volume === undefined) return gone;
    return volume.status?.hostName ?? missing("SourceNotBound", `${sourceName(source)} has no host yet: see its Bound`);
  }
  if (mirrorRef !== undefined) {
    const mirror = from.mirrors.get({ namespace, name: mirrorRef.name });
    if (mirror === undefined) return gone;
    return mirror.status?.primary ?? missing("NoPrimary", `${sourceName(source)} has no primary now: see its Ready`);
  }
  return from.imports.get({ namespace, name: importRef?.name ?? "" })?.spec.hostName ?? gone;
}

export interface DeviceSources {
  readonly hostName: string;
  readonly volumes: ObjectReader<Volume>;
  readonly replicas: ObjectReader<MirrorReplica>;
  readonly imports: ObjectReader<Import>;
}

/** The device of a block source on this host, while it may be used here; a mirror's only on its primary. */
export function sourceDevice(
  namespace: string,
  source: BlockSource,
  from: DeviceSources,
): { readonly device: string } | Missing {
  const { volumeRef, mirrorRef, importRef } = source;
  const found = (path: string | undefined, usable: boolean, why: string) =>
    path !== undefined && usable
      ? { device: path }
      : missing("SourceNotReady", `${sourceName(source)} has no device on ${from.hostName} to offer: ${why}`);
  if (volumeRef !== undefined) {
    const volume = from.volumes.get({ namespace, name: volumeRef.name });
    // A volume that grows is not Ready for a moment and yet in use all the time.
    const here = volume?.status?.hostName === from.hostName && volume.metadata.deletionTimestamp === undefined;
    const leaves = findCondition(volume?.status?.conditions, "Ready")?.reason === GROUP_LEAVES;
    return found(volume?.status?.devicePath, here && !leaves, "see the volume's Ready");
  }
  if (mirrorRef !== undefined) {
    const replica = from.replicas
      .list()
      .find(
        ({ metadata, spec }) =>
          metadata.namespace === namespace && spec.mirrorRef.name === mirrorRef.name && spec.hostName === from.hostName,
      );
    // Asked for and observed: a side that is to become secondary lets go of the device at once.
    const primary =
      replica?.metadata.deletionTimestamp === undefined &&
      replica?.spec.role === "Primary" &&
      replica.status?.role === "Primary";
    return found(replica?.status?.devicePath, primary, "this side of the mirror is not its primary");
  }
  const imported = from.imports.get({ namespace, name: importRef?.name ?? "" });
  const here = imported?.spec.hostName === from.hostName && imported.metadata.deletionTimestamp === undefined;
  return found(imported?.status?.devicePath, here, "see the import's Ready");
}
