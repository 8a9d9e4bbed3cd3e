import * as f from "./fragments.ts";
import {
  column,
  conditionColumn,
  type KindDefinition,
  messageColumn,
  readyColumn,
  wideColumn,
} from "./kind-definition.ts";
import { exactlyOneOf, flag, integer, list, object, oneOf, text } from "./schema-node.ts";

const POWER_ACCESS = {
  "credentialsRef!": f.namespacedSecretRef("Secret with the keys username and password."),
} as const;

const fencing = list(
  "Ways to make sure that this machine is off, tried in this order. Each counts only when it confirms that the " +
    "machine is dead. Without any, nothing that ran here is started elsewhere before a person attests that the " +
    "machine is off.",
  object(
    "One way to make sure that the machine is off.",
    {
      "name!": f.objectName("Name of this way, for conditions and Events."),
      deadline: f.duration("How long to wait for the confirmation before the next way is tried.", "30s"),
      ipmi: object(
        "Power off through a baseboard management controller, by IPMI over LAN.",
        {
          "address!": f.ipAddress("Address of the management controller."),
          port: integer("UDP port.", { default: 623, minimum: 1, maximum: 65535 }),
          ...POWER_ACCESS,
        },
        { name: "IpmiFencing" },
      ),
      redfish: object(
        "Power off through a management controller that speaks Redfish.",
        {
          "url!": text("URL of the computer system, such as https://192.0.2.7/redfish/v1/Systems/1.", {
            maxLength: 2048,
            pattern: "^https://[^\\s]+$",
          }),
          caBundle: text("PEM certificates that the controller's certificate is checked against.", {
            maxLength: 65536,
          }),
          ...POWER_ACCESS,
        },
        { name: "RedfishFencing" },
      ),
      command: object(
        "Power off by a program on the machine where the controllers run, such as a driver of a switched socket.",
        {
          "argv!": list(
            "Program and arguments. Exit 0 means: the machine is confirmed to be off.",
            text("One word.", {
              maxLength: 4096,
            }),
            { min: 1, max: 64 },
          ),
        },
        { name: "CommandFencing" },
      ),
      watchdog: object(
        "The machine's own watchdog resets it when its agent cannot reach the API. Confirmed by time, and only when " +
          "the agent had reported the watchdog armed and no mirror peer is connected to the machine any more.",
        { grace: f.duration("Waited beyond the watchdog's own deadline.", "5s") },
        { name: "WatchdogFencing" },
      ),
    },
    { name: "FencingMethod", rules: [exactlyOneOf(["ipmi", "redfish", "command", "watchdog"])] },
  ),
  { max: 8, keys: ["name"] },
);

const resources = (description: string) =>
  object(
    description,
    {
      cpus: integer("Processors, as threads.", { minimum: 0 }),
      memory: f.measuredSize("Memory."),
    },
    { name: "HostResources" },
  );

const version = (what: string) => text(`Version of ${what}; absent when it is not there.`, { maxLength: 128 });

const devices = list(
  "Block devices of the machine that could hold data.",
  object(
    "One block device.",
    {
      "path!": f.devicePath("Kernel name, which may change with the next boot."),
      byId: f.devicePath("Name under /dev/disk/by-id that stays."),
      model: text("Model.", { maxLength: 128 }),
      serial: text("Serial number.", { maxLength: 128 }),
      size: f.measuredSize("Size."),
      rotational: flag("Whether it has turning platters."),
      volatileCache: flag(
        "Whether the disk has a write cache that loses its content without power. Then a machine that went down " +
          "together with its peer is not trusted alone.",
      ),
      health: text("What SMART says: Passed, Failed, or Unknown.", { maxLength: 64 }),
      holds: text("What is on it, such as LVM2_member, ext4, partitions; empty when nothing is.", { maxLength: 256 }),
    },
    { name: "BlockDevice" },
  ),
  { max: 256, keys: ["path"] },
);

const guests = list(
  "Guests that really run here, seen by the agent; no guest is started elsewhere while a host that might run it has " +
    "not reported.",
  object(
    "One guest.",
    {
      "uid!": text("UID of its VirtualMachine, or the hypervisor's own for a stranger.", { maxLength: 128 }),
      namespace: text("Namespace of its VirtualMachine.", { maxLength: 63 }),
      name: text("Name of its VirtualMachine, or the hypervisor's name of a stranger.", { maxLength: 128 }),
      "state!": text("Running, Paused, ShuttingDown, Crashed or Unknown.", { maxLength: 32 }),
    },
    { name: "HostGuest" },
  ),
  { max: 1024, keys: ["uid"] },
);

export const host: KindDefinition = {
  kind: "Host",
  plural: "hosts",
  shortNames: ["fhost"],
  scope: "Cluster",
  description:
    "A bare-metal machine that runs the Ferrite agent. Its name is the first label of the machine's host name.",
  spec: object(
    "What is asked of the machine.",
    {
      "address!": f.ipAddress("Address for management and exports."),
      replicationAddress: f.ipAddress("Address that mirrors replicate over; the management address when absent."),
      unschedulable: flag("When true, nothing new is placed here; what is here stays.", { default: false }),
      maintenance: oneOf(
        ["None", "Drain"],
        "Drain moves guests and primaries away and keeps this machine out of new placements, so that it can be " +
          "switched off; condition Maintenance says when. It never takes away the last good copy of any data.",
        "None",
      ),
      fencing,
      memoryReserve: { ...f.size("Memory kept for the machine itself, never given to guests."), default: "1Gi" },
    },
    { name: "HostSpec" },
  ),
  status: object(
    "What the agent and the controllers saw.",
    {
      ...f.commonStatus({
        Ready: "the agent renews its Lease and the machine can serve.",
        Fenced: "the machine is confirmed to be off.",
        Maintenance: "drained: it may be switched off.",
        DisksHealthy: "no disk reports errors.",
        ToolsPresent: "the machine's tools are there, in versions that work.",
      }),
      uname: text("Full host name (uname -n), which DRBD matches its configuration by.", { maxLength: 255 }),
      bootID: text("Changes with every boot.", { maxLength: 64 }),
      capacity: resources("What the machine has."),
      allocatable: resources("What guests may use."),
      software: object(
        "Versions of what the machine runs.",
        {
          kernel: version("the kernel"),
          drbd: version("the DRBD kernel module"),
          lvm: version("LVM"),
          nbd: version("the NBD client"),
          xen: version("the Xen hypervisor"),
          qemu: version("QEMU"),
          agent: version("the agent"),
        },
        { name: "HostSoftware" },
      ),
      devices,
      guests,
      selfFence: object(
        "The machine's dead man's switch.",
        {
          "armed!": flag("Whether a watchdog will reset the machine when its agent falls silent."),
          deadlineSeconds: integer("Seconds from the last renewal of the Lease to the reset.", { minimum: 1 }),
        },
        { name: "SelfFence" },
      ),
    },
    { name: "HostStatus" },
  ),
  columns: [
    readyColumn,
    conditionColumn("Fenced", "Fenced", "Whether it is confirmed to be off."),
    column("Maintenance", ".spec.maintenance", "Whether it is being drained."),
    column("Address", ".spec.address", "Management address."),
    column("CPUs", ".status.capacity.cpus", "Processors.", "integer"),
    column("Memory", ".status.capacity.memory", "Memory."),
    wideColumn("Kernel", ".status.software.kernel", "Version of the kernel."),
    wideColumn("DRBD", ".status.software.drbd", "Version of the DRBD module."),
    wideColumn("Agent", ".status.software.agent", "Version of the agent."),
    messageColumn,
  ],
  selectableFields: [],
};
