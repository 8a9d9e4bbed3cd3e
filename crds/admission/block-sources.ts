import { EXPORTS } from "../generated/export.ts";
import { MIRROR_REPLICAS } from "../generated/mirror-replica.ts";
import { VIRTUAL_MACHINES } from "../generated/virtual-machine.ts";
import { VOLUME_GROUPS } from "../generated/volume-group.ts";
import { worldAfter } from "./overlay.ts";
import type { BlockSource } from "./serving-hosts.ts";
import { type AdmissionRule, forbidden, type Lister } from "./types.ts";

/** One use of one block device. */
interface Use {
  /** `Volume default/a`. */
  readonly source: string;
  /** `Export default/b`. */
  readonly user: string;
  /** `whole`: nothing else may touch the device, not even to read. */
  readonly access: "read" | "write" | "whole";
}

function sourceName(namespace: string, source: BlockSource): string {
  if (source.volumeRef !== undefined) return `Volume ${namespace}/${source.volumeRef.name}`;
  if (source.mirrorRef !== undefined) return `Mirror ${namespace}/${source.mirrorRef.name}`;
  return `Import ${namespace}/${source.importRef?.name ?? ""}`;
}

function uses(lister: Lister): readonly Use[] {
  const exports = lister.list(EXPORTS).map(({ metadata: { namespace, name }, spec }) => ({
    source: sourceName(namespace, spec),
    user: `Export ${namespace}/${name}`,
    access: spec.readOnly ? ("read" as const) : ("write" as const),
  }));
  const disks = lister.list(VIRTUAL_MACHINES).flatMap(({ metadata: { namespace, name }, spec }) =>
    (spec.disks ?? []).map(({ source, readOnly }) => ({
      source: sourceName(namespace, source),
      user: `VirtualMachine ${namespace}/${name}`,
      access: readOnly ? ("read" as const) : ("write" as const),
    })),
  );
  const replicas = lister.list(MIRROR_REPLICAS).flatMap(({ metadata: { namespace, name }, spec }) => {
    const { volumeRef } = spec.backing;
    const user = `MirrorReplica ${namespace}/${name}`;
    return volumeRef === undefined
      ? []
      : [{ source: sourceName(namespace, { volumeRef }), user, access: "whole" as const }];
  });
  const groups = lister.list(VOLUME_GROUPS).flatMap(({ metadata: { name }, spec }) =>
    spec.physicalVolumes.flatMap(({ mirrorRef }) =>
      mirrorRef === undefined
        ? []
        : [
            {
              source: `Mirror ${mirrorRef.namespace}/${mirrorRef.name}`,
              user: `VolumeGroup ${name}`,
              access: "whole" as const,
            },
          ],
    ),
  );
  return [...exports, ...disks, ...replicas, ...groups];
}

const clash = (a: Use, b: Use): boolean =>
  a.access === "whole" || b.access === "whole" || (a.access === "write" && b.access === "write");

function clashes(lister: Lister): ReadonlySet<string> {
  const bySource = Map.groupBy(uses(lister), ({ source }) => source);
  const found = new Set<string>();
  for (const [source, users] of bySource) {
    users.forEach((one, index) => {
      for (const other of users.slice(index + 1)) {
        if (!clash(one, other)) continue;
        const [first, second] = [one.user, other.user].sort();
        found.add(`${source} cannot be used by ${first} and ${second} at once`);
      }
    });
  }
  return found;
}

/** A block device has one writer. What lies under a mirror or a volume group is used by nothing else. */
export const oneWriter: AdmissionRule = {
  name: "one-writer",
  kinds: [EXPORTS, VIRTUAL_MACHINES, MIRROR_REPLICAS, VOLUME_GROUPS],
  reads: [EXPORTS, VIRTUAL_MACHINES, MIRROR_REPLICAS, VOLUME_GROUPS],
  check(request, lister) {
    if (request.operation === "DELETE" || request.subresource !== "") return [];
    const before = clashes(lister);
    const after = clashes(worldAfter(request, lister));
    return [...after].filter((one) => !before.has(one)).map((message) => forbidden("spec", message));
  },
};
