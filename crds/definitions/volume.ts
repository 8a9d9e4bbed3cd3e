import * as f from "./fragments.ts";
import {
  column,
  conditionColumn,
  type KindDefinition,
  messageColumn,
  readyColumn,
  reasonColumn,
  wideColumn,
} from "./kind-definition.ts";
import { flag, immutable, object, text } from "./schema-node.ts";

export const volume: KindDefinition = {
  kind: "Volume",
  plural: "volumes",
  shortNames: ["fvol"],
  scope: "Namespaced",
  description: "An LVM logical volume, thick or thin, empty or with a file system, an image or a copy of another.",
  spec: object(
    "What is wanted.",
    {
      "volumeGroupRef!": f.localRef("The VolumeGroup (cluster-scoped) that holds it."),
      "size!": f.size("Size, rounded up to whole extents. It grows while in use; a smaller size is refused."),
      thin: flag("Take space from the volume group's thin pool as it is written, instead of all at once.", {
        default: false,
      }),
      fileSystem: f.fileSystem("Make this file system on it."),
      source: f.dataSource(
        "What it starts with. When absent a thin volume reads as zeros, a thick one as what its place on the disk held before.",
        "Volume",
      ),
      adopt: object(
        "Take over a logical volume that exists, with its data. Nothing is made or overwritten.",
        {
          logicalVolumeName: text("Its LVM name; the name that would be chosen when absent.", {
            maxLength: 127,
            pattern: "^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$",
          }),
        },
        { name: "VolumeAdoption" },
      ),
      deletionPolicy: f.deletionPolicy("the logical volume"),
    },
    {
      name: "VolumeSpec",
      rules: [
        immutable("volumeGroupRef", "make a new Volume with this one as its source"),
        immutable("thin", "make a new Volume with this one as its source"),
        immutable("fileSystem", "a file system is made once"),
        immutable("source", "a Volume is filled once"),
        immutable("adopt", "it says how the logical volume came to be"),
        {
          rule: "!has(self.adopt) || (!has(self.source) && !has(self.fileSystem))",
          message: "an adopted logical volume keeps its data: source and fileSystem cannot be set",
          fieldPath: ".adopt",
          reason: "FieldValueForbidden",
        },
        {
          rule: "!has(self.source) || !has(self.fileSystem)",
          message: "a copy has the file system of its source: fileSystem cannot be set",
          fieldPath: ".fileSystem",
          reason: "FieldValueForbidden",
        },
      ],
    },
  ),
  status: object(
    "What is there.",
    {
      ...f.commonStatus({
        Bound: "a place in the volume group is reserved for it.",
        Ready: "the device is there, as large as asked, and filled.",
      }),
      hostName: f.hostName("The host that has it."),
      devicePath: text("Block device on that host.", { maxLength: 255 }),
      uuid: text("LVM's UUID of it.", { maxLength: 64 }),
      capacity: f.measuredSize("Real size."),
    },
    { name: "VolumeStatus" },
  ),
  columns: [
    readyColumn,
    column("Host", ".status.hostName", "The host that has it."),
    column("Group", ".spec.volumeGroupRef.name", "VolumeGroup."),
    column("Size", ".status.capacity", "Real size."),
    column("Thin", ".spec.thin", "Whether space is taken as it is written.", "boolean"),
    reasonColumn,
    { ...conditionColumn("Bound", "Bound", "Whether a place is reserved for it."), wide: true },
    wideColumn("Device", ".status.devicePath", "Block device on the host."),
    messageColumn,
  ],
  selectableFields: [".status.hostName", ".spec.volumeGroupRef.name"],
};
