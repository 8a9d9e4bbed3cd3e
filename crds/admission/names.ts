import { EXPORTS } from "../generated/export.ts";
import { MIRRORS } from "../generated/mirror.ts";
import { SNAPSHOTS } from "../generated/snapshot.ts";
import { VIRTUAL_MACHINES } from "../generated/virtual-machine.ts";
import { VOLUMES } from "../generated/volume.ts";
import { onDiskName, onDiskNameProblem } from "../on-disk-name.ts";
import { type AdmissionRule, invalid, objectAs } from "./types.ts";

/** Names that cannot be used on disk are refused before anything is made of them. */
export const reservedNames: AdmissionRule = {
  name: "reserved-names",
  kinds: [VOLUMES, SNAPSHOTS, MIRRORS, EXPORTS, VIRTUAL_MACHINES],
  reads: [],
  check({ operation, object }) {
    if (operation !== "CREATE" || object === undefined) return [];
    const { namespace = "", name = "" } = object.metadata;
    const problem = onDiskNameProblem(onDiskName(namespace, name));
    return problem === undefined ? [] : [invalid("metadata.name", name, problem)];
  },
};

/** A Volume and a Snapshot in one volume group would become the same logical volume. */
export const snapshotNames: AdmissionRule = {
  name: "snapshot-names",
  kinds: [SNAPSHOTS, VOLUMES],
  reads: [SNAPSHOTS, VOLUMES],
  check(request, lister) {
    if (request.operation !== "CREATE") return [];
    const object = objectAs(request, SNAPSHOTS) ?? objectAs(request, VOLUMES);
    if (object === undefined) return [];
    const other = object.kind === "Snapshot" ? lister.list(VOLUMES) : lister.list(SNAPSHOTS);
    const { namespace, name } = object.metadata;
    const taken = other.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    if (taken === undefined) return [];
    const message = `a ${taken.kind} has this name, and both would be the logical volume ${onDiskName(namespace, name)}`;
    return [invalid("metadata.name", name, message)];
  },
};
