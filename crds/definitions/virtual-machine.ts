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
import { flag, integer, list, object, oneOf, text } from "./schema-node.ts";

/** Whoever may make guests in a namespace must not be able to read any file of the host through them. */
const bootFile = (description: string) =>
  text(`${description} Below /boot or /var/lib/ferrite/images.`, {
    maxLength: 1024,
    pattern: "^/(boot|var/lib/ferrite/images)(/[-A-Za-z0-9_+~][-A-Za-z0-9_+~.]*)+$",
  });

const boot = object(
  "How the guest starts: a kernel, a boot loader, or firmware (with or without a CD-ROM).",
  {
    kernel: bootFile("Path of a kernel on the host."),
    initrd: bootFile("Path of an initial RAM disk on the host; with kernel."),
    cmdline: text("Kernel command line; with kernel.", { maxLength: 4096 }),
    bootloader: text(
      "Xen only: one of Xen's own programs that read the kernel from the guest's first disk, such as pygrub.",
      { maxLength: 64, pattern: "^[a-z][-a-z0-9]*$" },
    ),
    firmware: oneOf(["BIOS", "UEFI"], "Firmware that boots from the first disk."),
    cdrom: bootFile("Path of an ISO image on the host, tried first."),
  },
  {
    name: "BootSource",
    rules: [
      {
        rule:
          "[has(self.kernel), has(self.bootloader), has(self.firmware) || has(self.cdrom)]" +
          ".filter(present, present).size() == 1",
        message: "set kernel, or bootloader, or firmware and cdrom (one or both)",
      },
      {
        rule: "has(self.kernel) || (!has(self.initrd) && !has(self.cmdline))",
        message: "initrd and cmdline need kernel",
        fieldPath: ".kernel",
        reason: "FieldValueRequired",
      },
    ],
  },
);

const disks = list(
  "The guest's disks, in order.",
  object(
    "One disk.",
    {
      "target!": text("Name in the guest, such as xvda, sda1 or vda.", {
        maxLength: 16,
        pattern: "^(xvd|sd|hd|vd)[a-z]{1,2}[0-9]{0,2}$",
      }),
      "source!": object(
        "Where its data is.",
        { ...f.BLOCK_SOURCE_FIELDS },
        { name: "BlockSource", rules: [f.BLOCK_SOURCE_RULE] },
      ),
      readOnly: flag("Refuse writes.", { default: false }),
    },
    { name: "VirtualDisk" },
  ),
  { max: 32, keys: ["target"] },
);

const networks = list(
  "The guest's network cards, in order.",
  object(
    "One network card.",
    {
      "bridge!": text("Bridge on the host that it is connected to.", {
        minLength: 1,
        maxLength: 15,
        pattern: "^[A-Za-z0-9._-]+$",
      }),
      mac: text("Hardware address; derived from the guest's UID when absent, and so always the same.", {
        pattern: "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$",
      }),
    },
    { name: "VirtualNetwork" },
  ),
  { max: 16 },
);

const placement = object(
  "Where the guest may run.",
  {
    hostName: f.hostName("Only here."),
    preferredHost: f.hostName("Here, when it can."),
    hostSelector: f.labelSelector("Only on hosts with these labels."),
    antiAffinity: f.labelSelector("Not on a host where a guest with these labels runs."),
  },
  {
    name: "VirtualMachinePlacement",
    rules: [
      {
        rule: "!has(self.hostName) || !has(self.preferredHost)",
        message: "hostName leaves no room for preferredHost",
        fieldPath: ".preferredHost",
      },
    ],
  },
);

const availability = object(
  "What happens when its host is lost.",
  {
    restartElsewhere: flag("Start it on another host that has its data.", { default: true }),
    priority: integer("Higher starts first, and keeps its memory when there is not enough for all.", {
      default: 0,
      minimum: -1000,
      maximum: 1000,
    }),
    failback: oneOf(
      ["Automatic", "Manual"],
      "Whether it goes back by live migration when its preferred host is well again.",
      "Manual",
    ),
  },
  { name: "Availability", default: {} },
);

export const virtualMachine: KindDefinition = {
  kind: "VirtualMachine",
  plural: "virtualmachines",
  shortNames: ["fvm"],
  scope: "Namespaced",
  description: "A guest of Xen or QEMU/KVM. It runs on one host at a time, and never twice.",
  spec: object(
    "What is wanted.",
    {
      runStrategy: oneOf(["Always", "Halted"], "Always keeps it running; Halted shuts it down.", "Always"),
      "hypervisor!": oneOf(["Xen", "KVM"], "What runs it."),
      xen: object(
        "Settings for Xen.",
        { type: oneOf(["PV", "PVH", "HVM"], "Kind of virtualisation.", "PV") },
        { name: "XenSettings" },
      ),
      cpus: integer("Processors.", { default: 1, minimum: 1, maximum: 512 }),
      "memory!": object(
        "Memory.",
        {
          "size!": f.size("What it gets."),
          min: f.size("What it can be squeezed to when a lost host's guests must find room; size when absent."),
        },
        { name: "GuestMemory" },
      ),
      "boot!": boot,
      disks,
      networks,
      placement,
      availability,
      shutdownDeadline: f.duration("How long it may take to shut down before it is switched off.", "90s"),
      adopt: object(
        "Take over a guest that runs already.",
        {
          domainName: text("The hypervisor's name for it; the name that would be chosen when absent.", {
            maxLength: 127,
          }),
        },
        { name: "GuestAdoption" },
      ),
    },
    {
      name: "VirtualMachineSpec",
      rules: [
        {
          rule: "self.hypervisor == 'Xen' || (!has(self.xen) && !has(self.boot.bootloader))",
          message: "xen and boot.bootloader are for hypervisor Xen",
          fieldPath: ".hypervisor",
        },
      ],
    },
  ),
  status: object(
    "What is there.",
    {
      ...f.commonStatus({
        Scheduled: "a host was chosen.",
        DisksReady: "all its disks are there on that host.",
        Migratable: "it can be migrated live now.",
        Ready: "it runs as asked, or is halted as asked.",
      }),
      phase: text("Pending, Starting, Running, Paused, Migrating, Stopping, Halted, Crashed or Unknown.", {
        maxLength: 32,
      }),
      run: object(
        "Which host may run it; changed by compare-and-set only.",
        {
          "epoch!": integer("Grows by exactly 1 with every change.", { minimum: 1 }),
          hostName: f.hostName("The host; absent when none may."),
        },
        {
          name: "RunRecord",
          rules: [
            {
              rule: "self == oldSelf || self.epoch == oldSelf.epoch + 1",
              message: "every change raises epoch by exactly 1",
              fieldPath: ".epoch",
              reason: "FieldValueForbidden",
            },
          ],
        },
      ),
      hostName: f.hostName("The host chosen to run it."),
      memory: f.measuredSize("Memory it has now."),
      console: text("How to reach its console.", { maxLength: 255 }),
    },
    {
      name: "VirtualMachineStatus",
      rules: [
        {
          rule: "!has(oldSelf.run) || has(self.run)",
          message: "the record of who may run it is never taken back",
          fieldPath: ".run",
          reason: "FieldValueForbidden",
        },
      ],
    },
  ),
  columns: [
    readyColumn,
    column("Phase", ".status.phase", "What it does."),
    column("Host", ".status.hostName", "Where."),
    column("CPUs", ".spec.cpus", "Processors.", "integer"),
    column("Memory", ".status.memory", "Memory it has."),
    reasonColumn,
    { ...conditionColumn("Migratable", "Migratable", "Whether it can be migrated live now."), wide: true },
    wideColumn("Hypervisor", ".spec.hypervisor", "What runs it."),
    wideColumn("Console", ".status.console", "How to reach its console."),
    messageColumn,
  ],
  selectableFields: [".status.hostName"],
};
