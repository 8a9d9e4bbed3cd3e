import type { VolumeGroup, VolumeGroupStatus } from "../../crds/generated/volume-group.ts";
import { THIN_POOL_NAME } from "../../crds/on-disk-name.ts";
import { findPool, type ObservedVolumeGroup } from "../../executors/lvm/volume-group.ts";
import { formatBytes } from "../../machinery/quantity.ts";
import { lvmGroupName } from "../lvm-scope.ts";
import { type BlockedPlan, type ConditionFact, ready } from "../pass.ts";

type Fields = Omit<VolumeGroupStatus, "conditions" | "observedGeneration">;

/** What LVM says of the group; what was known of one that is gone stays, for a lost uuid would hide the loss. */
export function groupFields(hostName: string, object: VolumeGroup, { group }: ObservedVolumeGroup): Fields {
  const volumeGroupName = lvmGroupName(object);
  if (group === undefined) {
    const { conditions: _, observedGeneration: __, allocated: ___, ...kept } = object.status ?? {};
    return { ...kept, hostName, volumeGroupName };
  }
  const pool = findPool(group, THIN_POOL_NAME);
  return {
    hostName,
    volumeGroupName,
    uuid: group.uuid,
    size: formatBytes(group.sizeBytes),
    free: formatBytes(group.freeBytes),
    extentSize: formatBytes(group.extentSizeBytes),
    physicalVolumes: group.physicalVolumes.map(({ uuid, device, sizeBytes, usedBytes }) => ({
      uuid,
      ...(device === undefined ? {} : { device }),
      state: device === undefined ? "Missing" : "Present",
      size: formatBytes(sizeBytes),
      free: formatBytes(sizeBytes - usedBytes),
    })),
    ...(pool === undefined ? {} : { thinPool: { size: formatBytes(pool.sizeBytes), ...percents(pool) } }),
  };
}

function percents(pool: NonNullable<ReturnType<typeof findPool>>) {
  const { dataPercent, metadataPercent } = pool;
  return {
    ...(dataPercent === undefined ? {} : { dataPercent: dataPercent.toFixed(1) }),
    ...(metadataPercent === undefined ? {} : { metadataPercent: metadataPercent.toFixed(1) }),
  };
}

/** A pool that is nearly full is told before it is: then all its volumes fail at once. */
const POOL_WARN_PERCENT = 80;

export function groupConditions(
  hostName: string,
  object: VolumeGroup,
  { group }: ObservedVolumeGroup,
  blocked: BlockedPlan | undefined,
): readonly ConditionFact[] {
  const name = lvmGroupName(object);
  const summary =
    blocked === undefined
      ? ready("True", "Present", `${name} is there on ${hostName}`)
      : ready("False", blocked.reason, `${hostName}: ${blocked.message}`);
  const missing = group?.physicalVolumes.filter(({ device }) => device === undefined) ?? [];
  const present: ConditionFact = {
    type: "PhysicalVolumesPresent",
    status: group === undefined ? "Unknown" : missing.length === 0 ? "True" : "False",
    reason: group === undefined ? "NoVolumeGroup" : missing.length === 0 ? "AllPresent" : "Missing",
    message:
      missing.length === 0
        ? "no physical volume is missing"
        : `missing on ${hostName}: ${missing.map(({ uuid }) => uuid).join(", ")}`,
  };
  return [summary, present, ...poolCondition(object, group)];
}

function poolCondition(object: VolumeGroup, group: ObservedVolumeGroup["group"]): readonly ConditionFact[] {
  if (object.spec.thinPool === undefined || group === undefined) return [];
  const pool = findPool(group, THIN_POOL_NAME);
  const type = "ThinPoolHealthy";
  if (pool === undefined)
    return [{ type, status: "False", reason: "Missing", message: "the thin pool is not there yet" }];
  if (pool.health !== "") return [{ type, status: "False", reason: "Unhealthy", message: `LVM says: ${pool.health}` }];
  const fullest = Math.max(pool.dataPercent ?? 0, pool.metadataPercent ?? 0);
  if (fullest >= POOL_WARN_PERCENT)
    return [
      {
        type,
        status: "False",
        reason: "NearlyFull",
        message: `${fullest.toFixed(0)} % full: raise spec.thinPool.size before it reaches 100`,
      },
    ];
  return [{ type, status: "True", reason: "HasRoom", message: "the thin pool has room" }];
}
