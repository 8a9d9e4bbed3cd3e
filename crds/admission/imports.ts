import { EXPORTS } from "../generated/export.ts";
import { type Import, IMPORTS } from "../generated/import.ts";
import { MIRRORS } from "../generated/mirror.ts";
import { VOLUME_GROUPS } from "../generated/volume-group.ts";
import { VOLUMES } from "../generated/volume.ts";
import { worldAfter } from "./overlay.ts";
import { exportOf, servingHosts } from "./serving-hosts.ts";
import { type AdmissionRule, type FieldError, forbidden, type Lister } from "./types.ts";

/** "Under memory pressure `from` writes to a device that `to` must take in": the import that makes it so. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly imported: Import;
}

const isWritable = (imported: Import, lister: Lister): boolean =>
  !imported.spec.readOnly && exportOf(lister, imported)?.spec.readOnly !== true;

function edges(lister: Lister): readonly Edge[] {
  return lister.list(IMPORTS).flatMap((imported) => {
    const exported = exportOf(lister, imported);
    if (exported === undefined) return [];
    const servers = servingHosts(lister, exported.metadata.namespace, exported.spec);
    return servers.map((to) => ({ from: imported.spec.hostName, to, imported }));
  });
}

const importName = ({ metadata }: Import) => `${metadata.namespace}/${metadata.name}`;

/**
 * The circle of hosts that a writable Import is part of, as the hosts on it; `undefined`: none. What admission refuses
 * can come about all the same, when a mirror's replica moves: the agent asks again.
 */
export function writableCircle(lister: Lister, imported: Import): readonly string[] | undefined {
  const writable = edges(lister).filter((edge) => edge.from !== edge.to && isWritable(edge.imported, lister));
  for (const edge of writable) {
    const { namespace, name } = edge.imported.metadata;
    if (namespace !== imported.metadata.namespace || name !== imported.metadata.name) continue;
    const way = pathBetween(writable, edge.to, edge.from);
    if (way !== undefined) return [edge.from, ...way];
  }
  return undefined;
}

/** What is wrong, by a stable key: only what the request adds is refused. */
function problems(lister: Lister): ReadonlyMap<string, string> {
  const all = edges(lister);
  const found = new Map<string, string>();
  for (const { from, to, imported } of all) {
    if (from === to)
      found.set(
        `self ${importName(imported)}`,
        `Import ${importName(imported)} is on host ${from}, which serves the export or can come to serve it`,
      );
  }
  const writable = all.filter(({ from, to, imported }) => from !== to && isWritable(imported, lister));
  for (const edge of writable) {
    const way = pathBetween(writable, edge.to, edge.from);
    if (way === undefined) continue;
    const hosts = [edge.from, ...way];
    found.set(
      `cycle ${[...new Set(hosts)].sort().join(" ")}`,
      `writable imports would go round in a circle between hosts (${hosts.join(" -> ")}), which deadlocks when memory ` +
        "is short; make one of them readOnly or move it to another host",
    );
  }
  return found;
}

/** Hosts on a way from `start` to `goal`, both included; breadth first. */
function pathBetween(all: readonly Edge[], start: string, goal: string): readonly string[] | undefined {
  const reached = new Map<string, readonly string[]>([[start, [start]]]);
  for (const [host, way] of reached) {
    if (host === goal) return way;
    for (const { from, to } of all) if (from === host && !reached.has(to)) reached.set(to, [...way, to]);
  }
  return undefined;
}

/**
 * No host imports what it serves or could serve after a failover, and writable imports make no circle between hosts:
 * both deadlock when the kernel must write to get memory.
 */
export const importLoops: AdmissionRule = {
  name: "import-loops",
  kinds: [IMPORTS, EXPORTS, MIRRORS, VOLUMES, VOLUME_GROUPS],
  reads: [IMPORTS, EXPORTS, MIRRORS, VOLUMES, VOLUME_GROUPS],
  check(request, lister): readonly FieldError[] {
    if (request.operation === "DELETE" || request.subresource !== "") return [];
    const before = problems(lister);
    const after = problems(worldAfter(request, lister));
    const added = [...after].filter(([key]) => !before.has(key));
    return added.map(([, message]) => forbidden("spec", message));
  },
};
