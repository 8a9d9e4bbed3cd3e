import * as f from "./fragments.ts";
import {
  column,
  type KindDefinition,
  messageColumn,
  readyColumn,
  reasonColumn,
  wideColumn,
} from "./kind-definition.ts";
import { exactlyOneOf, flag, immutable, list, object, text } from "./schema-node.ts";

export const volumeGroup: KindDefinition = {
  kind: "VolumeGroup",
  plural: "volumegroups",
  shortNames: ["fvg"],
  scope: "Cluster",
  description:
    "An LVM volume group, on disks of one host or on one mirrored device (then it follows the mirror's primary).",
  nameRule: {
    rule: "self.metadata.name.size() <= 30 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    message:
      "metadata.name of a VolumeGroup must be at most 30 characters: lower case letters, digits and '-', beginning " +
      "and ending with a letter or digit",
  },
  spec: object(
    "What the volume group is made of.",
    {
      hostName: f.hostName("The host whose disks it is on; left out when it is on a Mirror."),
      "physicalVolumes!": list(
        "The devices it is made of. A device that is added is taken in; one that is taken off the list is emptied onto " +
          "the others first, and stays when they cannot take it.",
        object(
          "One physical volume.",
          {
            device: f.devicePath("A disk or partition of the host; prefer names under /dev/disk/by-id, which stay."),
            mirrorRef: f.namespacedRef("A Mirror whose device is the physical volume."),
          },
          { name: "PhysicalVolumeSource", rules: [exactlyOneOf(["device", "mirrorRef"])] },
        ),
        { min: 1, max: 64 },
      ),
      thinPool: object(
        "A thin pool in this volume group, for thin Volumes; made when set.",
        {
          "size!": f.size("Size of the pool's data; it can grow, never shrink."),
          chunkSize: f.size("Unit of allocation, a multiple of 64Ki between 64Ki and 1Gi; LVM chooses when absent."),
        },
        { name: "ThinPoolSpec", rules: [immutable("chunkSize", "LVM fixes it when the pool is made")] },
      ),
      adopt: object(
        "Take over a volume group that exists, as it is. Nothing is made or overwritten.",
        {
          volumeGroupName: text("Its LVM name; the name of this object when absent.", {
            maxLength: 127,
            pattern: "^[A-Za-z0-9+_.][A-Za-z0-9+_.-]*$",
          }),
        },
        { name: "VolumeGroupAdoption" },
      ),
      overwrite: flag("Allow devices that hold something to be wiped. Without it such a device is refused.", {
        default: false,
      }),
      deletionPolicy: f.deletionPolicy("the volume group; absent means Retain"),
    },
    {
      name: "VolumeGroupSpec",
      rules: [
        immutable("hostName", "disks do not move by themselves"),
        immutable("adopt", "it says how the volume group came to be"),
        {
          rule:
            "has(self.hostName) ? self.physicalVolumes.all(p, has(p.device)) : " +
            "self.physicalVolumes.size() == 1 && has(self.physicalVolumes[0].mirrorRef)",
          message: "set hostName and devices of that host, or leave hostName out and give exactly one mirrorRef",
        },
        {
          rule: "self.physicalVolumes.all(p, !has(p.device) || self.physicalVolumes.exists_one(q, has(q.device) && q.device == p.device))",
          message: "each device may be listed once",
          fieldPath: ".physicalVolumes",
        },
        {
          rule: "has(self.physicalVolumes[0].mirrorRef) == has(oldSelf.physicalVolumes[0].mirrorRef) && (!has(self.physicalVolumes[0].mirrorRef) || self.physicalVolumes[0].mirrorRef == oldSelf.physicalVolumes[0].mirrorRef)",
          message: "a volume group stays on its mirror",
          fieldPath: ".physicalVolumes",
          reason: "FieldValueForbidden",
        },
      ],
    },
  ),
  status: object(
    "What is there.",
    {
      ...f.commonStatus({
        Ready: "the volume group is there and can hold Volumes.",
        PhysicalVolumesPresent: "no physical volume is missing.",
        ThinPoolHealthy: "the thin pool has room and needs no repair.",
      }),
      hostName: f.hostName("The host that serves it now."),
      volumeGroupName: text("Its LVM name.", { maxLength: 127 }),
      uuid: text("LVM's UUID of it.", { maxLength: 64 }),
      size: f.measuredSize("Size."),
      free: f.measuredSize("Not given to any logical volume."),
      allocated: f.measuredSize("Sum of the Volumes bound to it, thin ones at their full size."),
      extentSize: f.measuredSize("Unit that LVM allocates in."),
      thinPool: object(
        "State of the thin pool.",
        {
          "size!": f.measuredSize("Size of its data."),
          dataPercent: text("How full its data is, in percent.", { maxLength: 8 }),
          metadataPercent: text("How full its metadata is, in percent.", { maxLength: 8 }),
        },
        { name: "ThinPoolStatus" },
      ),
      physicalVolumes: list(
        "Its physical volumes.",
        object(
          "One physical volume.",
          {
            "uuid!": text("LVM's UUID of it.", { maxLength: 64 }),
            device: text("Device; absent when it is missing and was never seen.", { maxLength: 255 }),
            "state!": text("Present or Missing.", { maxLength: 16 }),
            size: f.measuredSize("Size."),
            free: f.measuredSize("Not given to any logical volume."),
          },
          { name: "PhysicalVolumeStatus" },
        ),
        { max: 128, keys: ["uuid"] },
      ),
    },
    { name: "VolumeGroupStatus" },
  ),
  columns: [
    readyColumn,
    column("Host", ".status.hostName", "The host that serves it."),
    column("Size", ".status.size", "Size."),
    column("Free", ".status.free", "Not given to any logical volume."),
    column("Thin", ".status.thinPool.dataPercent", "How full the thin pool is, in percent."),
    reasonColumn,
    wideColumn("Allocated", ".status.allocated", "Sum of the Volumes bound to it."),
    messageColumn,
  ],
  selectableFields: [".spec.hostName", ".status.hostName"],
};
