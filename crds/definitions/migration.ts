import * as f from "./fragments.ts";
import {
  column,
  type KindDefinition,
  messageColumn,
  readyColumn,
  reasonColumn,
  wideColumn,
} from "./kind-definition.ts";
import { flag, immutable, integer, object, text } from "./schema-node.ts";

export const migration: KindDefinition = {
  kind: "Migration",
  plural: "migrations",
  shortNames: ["fmig"],
  scope: "Namespaced",
  description: "One live migration of a VirtualMachine to another host.",
  spec: object(
    "What is wanted.",
    {
      "virtualMachineRef!": f.localRef("The guest."),
      targetHost: f.hostName("Where to; the controller chooses when absent."),
      cancel: flag("Give it up, as long as the guest still runs at the source.", { default: false }),
    },
    {
      name: "MigrationSpec",
      rules: [
        immutable("virtualMachineRef", "make another Migration"),
        immutable("targetHost", "make another Migration"),
        {
          rule: "!oldSelf.cancel || self.cancel",
          message: "a cancelled migration stays cancelled",
          fieldPath: ".cancel",
        },
      ],
    },
  ),
  status: object(
    "How far it is.",
    {
      ...f.commonStatus({ Ready: "the guest runs at the target." }),
      phase: text("Pending, Preparing, Running, Switching, Succeeded, Failed or Cancelled.", { maxLength: 32 }),
      sourceHost: f.hostName("Where from."),
      targetHost: f.hostName("Where to."),
      progress: text("How much of the memory is over, in percent.", { maxLength: 8 }),
      pauseMilliseconds: integer("How long the guest stood still.", { minimum: 0 }),
      startTime: f.time("When it began."),
      endTime: f.time("When it ended."),
    },
    { name: "MigrationStatus" },
  ),
  columns: [
    readyColumn,
    column("VM", ".spec.virtualMachineRef.name", "The guest."),
    column("Phase", ".status.phase", "How far it is."),
    column("From", ".status.sourceHost", "Where from."),
    column("To", ".status.targetHost", "Where to."),
    column("Progress", ".status.progress", "How much of the memory is over, in percent."),
    reasonColumn,
    wideColumn("Pause", ".status.pauseMilliseconds", "Milliseconds that the guest stood still.", "integer"),
    messageColumn,
  ],
  selectableFields: [".spec.virtualMachineRef.name", ".status.sourceHost"],
};
