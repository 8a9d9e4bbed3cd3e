import type { Volume } from "../../crds/generated/volume.ts";
import type { VolumeGroup } from "../../crds/generated/volume-group.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import { done, type Reconcile } from "../../machinery/result.ts";
import type { ObjectAccess, ObjectReader } from "../object-access.ts";
import { runPass } from "../pass.ts";
import { claimedBytes } from "./capacity.ts";

/** Writes `status.allocated` of volume groups: what is promised of them, thin Volumes at their full size. */
export function allocationReconciler(deps: {
  readonly volumeGroups: ObjectAccess<VolumeGroup>;
  readonly volumes: ObjectReader<Volume>;
}): Reconcile {
  return async (context, request) => {
    const group = deps.volumeGroups.get(request);
    if (group === undefined || group.metadata.deletionTimestamp !== undefined) return done;
    const bound = deps.volumes
      .list()
      .filter(({ spec, status }) => spec.volumeGroupRef.name === request.name && status?.hostName !== undefined);
    const allocated = formatBytes(bound.reduce((sum, volume) => sum + claimedBytes(volume, group), 0));
    return runPass(context, deps.volumeGroups, group, async () => ({ fields: { allocated }, conditions: [] }));
  };
}
