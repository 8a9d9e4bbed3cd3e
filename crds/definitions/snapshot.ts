import * as f from "./fragments.ts";
import {
  column,
  type KindDefinition,
  messageColumn,
  readyColumn,
  reasonColumn,
  wideColumn,
} from "./kind-definition.ts";
import { immutable, object, text } from "./schema-node.ts";

export const snapshot: KindDefinition = {
  kind: "Snapshot",
  plural: "snapshots",
  shortNames: ["fsnap"],
  scope: "Namespaced",
  description: "An LVM snapshot of a Volume: the volume as it was, readable as a device of its own.",
  spec: object(
    "What is wanted.",
    {
      "volumeRef!": f.localRef("The Volume to take the snapshot of."),
      size: f.size(
        "Space for what changes in the volume afterwards; needed for thick volumes (a snapshot that fills up is lost), " +
          "not allowed for thin ones, whose snapshots share the pool.",
      ),
    },
    { name: "SnapshotSpec", rules: [immutable("volumeRef", "a snapshot is of one volume")] },
  ),
  status: object(
    "What is there.",
    {
      ...f.commonStatus({ Ready: "the snapshot is there and has not overflowed." }),
      hostName: f.hostName("The host that has it."),
      devicePath: text("Block device on that host.", { maxLength: 255 }),
      uuid: text("LVM's UUID of it.", { maxLength: 64 }),
      capacity: f.measuredSize("Size of the volume when the snapshot was taken."),
      usedPercent: text("How much of its space is used, in percent; thick only.", { maxLength: 8 }),
      takenAt: f.time("When it was taken."),
    },
    { name: "SnapshotStatus" },
  ),
  columns: [
    readyColumn,
    column("Volume", ".spec.volumeRef.name", "The Volume it is of."),
    column("Host", ".status.hostName", "The host that has it."),
    column("Used", ".status.usedPercent", "How much of its space is used, in percent."),
    reasonColumn,
    wideColumn("Device", ".status.devicePath", "Block device on the host."),
    messageColumn,
  ],
  selectableFields: [".status.hostName", ".spec.volumeRef.name"],
};
