import type { Plan } from "../driver.ts";
import * as commands from "./commands.ts";
import type { ObservedVolume } from "./logical-volume.ts";
import { blocked, nothing, ownerOf, step, steps, TAGS } from "./plans.ts";

/**
 * How a volume or snapshot leaves. `Delete` removes it with its data; `Retain` takes it out of use and keeps the data;
 * `Orphan` leaves it as it is. Only what carries the object's uid is touched. The second time there is nothing to do.
 */
export function planVolumeRemoval(
  target: {
    readonly group: string;
    readonly name: string;
    readonly uid: string;
    readonly policy: "Delete" | "Retain" | "Orphan";
  },
  observed: ObservedVolume,
): Plan {
  const { group, volume, scope } = observed;
  const path = `${target.group}/${target.name}`;
  if (target.policy === "Orphan") return nothing;
  if (group === undefined)
    return blocked(
      "VolumeGroupMissing",
      `there is no volume group ${target.group} on this host, so nobody knows whether ${path} is gone: bring its disks back, or give it up by spec.deletionPolicy: Orphan`,
    );
  if (volume === undefined) return nothing;
  const owner = ownerOf(volume);
  if (owner !== target.uid) return nothing;
  if (volume.open === "unknown") return blocked("VolumeUnreadable", `LVM cannot say whether ${path} is in use`);
  if (volume.open === "yes")
    return blocked("DeviceInUse", `${path} is open: a mount, a guest, an export or a mirror uses it`);
  if (target.policy === "Retain")
    return volume.active === "no" ? nothing : steps(step(`deactivate ${path}`, commands.deactivate(scope, path)));
  const dependents = group.logicalVolumes.filter(
    ({ origin, role, tags }) =>
      origin === target.name && role.includes("thicksnapshot") && !tags.includes(TAGS.unfilled),
  );
  if (dependents.length > 0)
    return blocked(
      "HasSnapshots",
      `${path} has snapshots, which would go with it: ${dependents.map(({ name }) => name).join(", ")}`,
    );
  return steps(step(`remove ${path}`, commands.remove(scope, path)));
}
