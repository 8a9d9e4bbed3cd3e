import { writableCircle } from "../../crds/admission/imports.ts";
import type { Lister } from "../../crds/admission/types.ts";
import type { Export } from "../../crds/generated/export.ts";
import type { Import } from "../../crds/generated/import.ts";
import { protocolProblem } from "../export/names.ts";
import { deviceNameOf } from "./names.ts";

export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/**
 * Why an Import must not be attached, by what else there is; `undefined` when it may. Of two that exclude each other the
 * older one has the right, on every host alike.
 */
export function refusal(
  imported: Import,
  exported: Export,
  imports: readonly Import[],
  lister: Lister,
): Refusal | undefined {
  const unsupported = protocolProblem(exported);
  if (unsupported !== undefined) return { reason: "ProtocolNotSupported", message: unsupported };
  const others = imports.filter((each) => each.metadata.uid !== imported.metadata.uid && isOlder(each, imported));
  const name = deviceNameOf(imported, exported);
  const sameName = others.find(
    (each) => each.spec.hostName === imported.spec.hostName && each.status?.devicePath === `/dev/gnbd/${name}`,
  );
  if (sameName !== undefined)
    return { reason: "DeviceNameTaken", message: `/dev/gnbd/${name} belongs to Import ${fullName(sameName)}` };
  if (exported.spec.protocol === "NVMeTCP" && imported.spec.readOnly)
    return {
      reason: "ProtocolNotSupported",
      message: "the kernel's NVMe target cannot refuse writes: import it without readOnly, or export by NBD or iSCSI",
    };
  const sameExport = others.find(
    (each) =>
      each.metadata.namespace === imported.metadata.namespace &&
      each.spec.exportRef.name === imported.spec.exportRef.name &&
      each.spec.hostName === imported.spec.hostName,
  );
  if (exported.spec.protocol !== "NBD" && sameExport !== undefined)
    return {
      reason: "DeviceNameTaken",
      message: `Import ${fullName(sameExport)} has the device of this export on ${imported.spec.hostName}: one is enough`,
    };
  if (!isWritable(imported, exported)) return undefined;
  const writer = others.find(
    (each) =>
      each.metadata.namespace === imported.metadata.namespace &&
      each.spec.exportRef.name === imported.spec.exportRef.name &&
      isWritable(each, exported),
  );
  if (writer !== undefined)
    return {
      reason: "SecondWriter",
      message: `Import ${fullName(writer)} on host ${writer.spec.hostName} writes to the export already; a device has one writer`,
    };
  const circle = writableCircle(lister, imported);
  if (circle === undefined) return undefined;
  return {
    reason: "ImportCycle",
    message: `writable imports would go round in a circle between hosts (${circle.join(" -> ")}), which deadlocks when memory is short`,
  };
}

export const isWritable = (imported: Import, exported: Export): boolean =>
  !imported.spec.readOnly && !exported.spec.readOnly;

const fullName = ({ metadata }: Import): string => `${metadata.namespace}/${metadata.name}`;

function isOlder(one: Import, other: Import): boolean {
  const age = ({ metadata }: Import) => `${metadata.creationTimestamp ?? ""} ${metadata.uid ?? ""}`;
  return age(one) < age(other);
}
