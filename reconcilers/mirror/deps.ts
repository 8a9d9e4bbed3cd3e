import type { Allocation } from "../../crds/generated/allocation.ts";
import type { Host } from "../../crds/generated/host.ts";
import type { HostPair } from "../../crds/generated/host-pair.ts";
import type { Mirror } from "../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../crds/generated/mirror-replica.ts";
import type { Snapshot } from "../../crds/generated/snapshot.ts";
import type { VirtualMachine } from "../../crds/generated/virtual-machine.ts";
import type { Volume } from "../../crds/generated/volume.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import type { ObjectAccess, ObjectMaker, ObjectReader } from "../object-access.ts";

export interface MirrorDeps {
  readonly mirrors: ObjectAccess<Mirror>;
  readonly replicas: ObjectMaker<MirrorReplica>;
  readonly volumes: ObjectMaker<Volume>;
  readonly snapshots: ObjectReader<Snapshot>;
  readonly allocations: ObjectMaker<Allocation>;
  readonly pairs: ObjectMaker<HostPair>;
  readonly hosts: ObjectReader<Host>;
  readonly volumeGroups: ObjectReader<VolumeGroup>;
  readonly virtualMachines: ObjectReader<VirtualMachine>;
}

/** The sides that are there, by host name. */
export const replicasOf = (deps: Pick<MirrorDeps, "replicas">, mirror: Mirror): readonly MirrorReplica[] =>
  deps.replicas
    .list()
    .filter(
      ({ metadata, spec }) =>
        metadata.namespace === mirror.metadata.namespace && spec.mirrorRef.name === mirror.metadata.name,
    )
    .toSorted((a, b) => (a.spec.hostName < b.spec.hostName ? -1 : 1));
