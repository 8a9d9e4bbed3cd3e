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

export const importKind: KindDefinition = {
  kind: "Import",
  plural: "imports",
  shortNames: ["fimp"],
  scope: "Namespaced",
  description:
    "An Export attached on a host, as the block device /dev/gnbd/<deviceName>. It finds the export again when that " +
    "moves to another host.",
  spec: object(
    "What is attached where.",
    {
      "exportRef!": f.localRef("The Export."),
      "hostName!": f.hostName("The host to attach it on. It may not be a host that serves the export."),
      deviceName: text("Name under /dev/gnbd; the export's name when absent.", {
        minLength: 1,
        maxLength: 63,
        pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
      }),
      reconnectTimeout: f.duration("How long I/O waits for a lost export before it fails.", "10m"),
      readOnly: flag("Attach without the right to write.", { default: false }),
    },
    {
      name: "ImportSpec",
      rules: [
        immutable("exportRef", "make another Import"),
        immutable("hostName", "make another Import"),
        immutable("deviceName", "the device is in use by its name"),
      ],
    },
  ),
  status: object(
    "What is there.",
    {
      ...f.commonStatus({
        Ready: "the device is there and its server answers.",
        Connected: "the connection to the server stands.",
      }),
      devicePath: text("The device: /dev/gnbd/<deviceName>.", { maxLength: 255 }),
      kernelDevice: text("What it points to, such as /dev/nbd0.", { maxLength: 255 }),
      connectedTo: text("Address and port of the server.", { maxLength: 64 }),
      capacity: f.measuredSize("Size of the device."),
    },
    { name: "ImportStatus" },
  ),
  columns: [
    readyColumn,
    column("Export", ".spec.exportRef.name", "The Export."),
    column("Host", ".spec.hostName", "The host it is attached on."),
    column("Device", ".status.devicePath", "Block device on that host."),
    reasonColumn,
    { ...conditionColumn("Connected", "Connected", "Whether the connection stands."), wide: true },
    wideColumn("Server", ".status.connectedTo", "Address and port of the server."),
    wideColumn("Kernel", ".status.kernelDevice", "Kernel device."),
    messageColumn,
  ],
  selectableFields: [".spec.hostName", ".spec.exportRef.name"],
};
