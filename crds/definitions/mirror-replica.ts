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
import { FILE_SYSTEM_STATE, REPLICA_STATE, VERIFY_STATE } from "./mirror.ts";
import { exactlyOneOf, flag, immutable, integer, object, oneOf, text } from "./schema-node.ts";

const milliseconds = (description: string, fallback: number, maximum: number) =>
  integer(`${description} In milliseconds.`, { default: fallback, minimum: 100, maximum });

/** Spelled out: an API server runs the rules on a default as it stands, before the defaults inside it are filled in. */
const DEFAULTS = {
  activityLogExtents: 1237,
  connectIntervalMilliseconds: 3000,
  pingIntervalMilliseconds: 3000,
  timeoutMilliseconds: 2500,
} as const;

const options = object(
  "DRBD's own settings, the same on both sides.",
  {
    resyncRate: f.size("Most that a resynchronisation may transfer in a second; DRBD adapts to the load when absent."),
    activityLogExtents: integer("Areas of 4 MiB that may be written to at once; all are compared after a crash.", {
      default: DEFAULTS.activityLogExtents,
      minimum: 7,
      maximum: 65534,
    }),
    connectIntervalMilliseconds: milliseconds(
      "How long between attempts to connect.",
      DEFAULTS.connectIntervalMilliseconds,
      120_000,
    ),
    pingIntervalMilliseconds: milliseconds(
      "How often an idle peer is asked for a sign of life.",
      DEFAULTS.pingIntervalMilliseconds,
      120_000,
    ),
    timeoutMilliseconds: milliseconds(
      "How long a peer may take to answer before the link counts as lost.",
      DEFAULTS.timeoutMilliseconds,
      60_000,
    ),
  },
  {
    name: "DrbdOptions",
    default: DEFAULTS,
    rules: [
      {
        rule:
          "self.timeoutMilliseconds < self.pingIntervalMilliseconds && " +
          "self.timeoutMilliseconds < self.connectIntervalMilliseconds",
        message: "timeoutMilliseconds must be below pingIntervalMilliseconds and connectIntervalMilliseconds",
        fieldPath: ".timeoutMilliseconds",
      },
      {
        rule: "self.connectIntervalMilliseconds % 1000 == 0 && self.pingIntervalMilliseconds % 1000 == 0",
        message: "connectIntervalMilliseconds and pingIntervalMilliseconds must be whole seconds",
      },
      {
        rule: "self.timeoutMilliseconds % 100 == 0",
        message: "timeoutMilliseconds must be a multiple of 100",
        fieldPath: ".timeoutMilliseconds",
      },
    ],
  },
);

export const mirrorReplica: KindDefinition = {
  kind: "MirrorReplica",
  plural: "mirrorreplicas",
  shortNames: ["fmrep"],
  scope: "Namespaced",
  description:
    "One host's side of a Mirror. Made and written by the mirror controller; the host's agent makes it so and reports.",
  spec: object(
    "What the mirror controller asks of this side.",
    {
      "mirrorRef!": f.localRef("The Mirror it belongs to."),
      "hostName!": f.hostName("The host that keeps this side."),
      "peerHostName!": f.hostName("The host that keeps the other side."),
      "size!": f.size("Usable size of the mirrored device."),
      "role!": oneOf(["Primary", "Secondary"], "Whether the device may be used on this host."),
      "connect!": flag("Whether this side talks to the other."),
      "minor!": integer("DRBD device minor; the device is /dev/drbd<minor>.", { minimum: 0, maximum: 1_048_575 }),
      "port!": integer("TCP port of the replication link, on both hosts.", { minimum: 1, maximum: 65535 }),
      "address!": f.ipAddress("This host's end of the replication link."),
      "peerAddress!": f.ipAddress("The other host's end."),
      "backing!": object(
        "What the copy is kept on.",
        {
          volumeRef: f.localRef("A Volume on this host."),
          device: f.devicePath("A device of this host."),
        },
        { name: "ReplicaBacking", rules: [exactlyOneOf(["volumeRef", "device"])] },
      ),
      firstGeneration: oneOf(
        ["Source", "Target", "Skip"],
        "Part of this side in the first common data generation. Source: its data is what counts; Target: it is " +
          "overwritten; Skip: both sides provably read as zeros. Absent: the generation is set, metadata is never " +
          "made again.",
      ),
      filled: flag("Its backing device holds the mirror's source: data that is there to be kept."),
      verify: object(
        "Compare the two copies.",
        { "order!": text("Each order is carried out once.", { minLength: 1, maxLength: 64 }) },
        { name: "VerifyOrder" },
      ),
      fileSystem: f.fileSystem("Make this file system on the mirrored device, once."),
      discard: flag("After a split brain: give up what was written here since."),
      twoPrimaries: flag("Whether the other side may be primary too, for the moment of a live migration.", {
        default: false,
      }),
      takeover: object(
        "A failover's order to this side to become primary without the other.",
        { "epoch!": integer("Epoch of the HostPair that the order was given for.", { minimum: 0 }) },
        { name: "TakeoverOrder" },
      ),
      options,
      sharedSecretRef: f.secretRef("Secret with the key sharedSecret."),
    },
    {
      name: "MirrorReplicaSpec",
      rules: [
        immutable("mirrorRef", "it is one side of one mirror"),
        immutable("hostName", "another host is another replica"),
        immutable("peerHostName", "another peer is another replica"),
        immutable("minor", "open devices are named by it"),
        immutable("port", "both sides must agree on it"),
        {
          rule: "self.hostName != self.peerHostName",
          message: "a host cannot mirror to itself",
          fieldPath: ".peerHostName",
        },
      ],
    },
  ),
  status: object(
    "What the agent saw.",
    {
      ...f.commonStatus({
        Ready: "this side does what is asked.",
        DiskAttached: "its disk is in use.",
        Connected: "it talks to the other side.",
        NeedsReboot: "the kernel holds on to the device and only a reboot lets go.",
      }),
      ...REPLICA_STATE,
      metadataMade: flag("Whether DRBD metadata is on the backing device."),
      everNotUpToDate: flag("Whether its disk was ever less than UpToDate since it last became a member."),
      verify: object("The last comparison that began here.", VERIFY_STATE, { name: "ReplicaVerify" }),
      fileSystem: object("The file system on the mirrored device.", FILE_SYSTEM_STATE, { name: "ReplicaFileSystem" }),
      devicePath: f.devicePath("Block device on this host."),
      capacity: f.measuredSize("Real usable size."),
    },
    { name: "MirrorReplicaStatus" },
  ),
  columns: [
    readyColumn,
    column("Host", ".spec.hostName", "The host that keeps this side."),
    column("Role", ".status.role", "Primary or Secondary."),
    column("Disk", ".status.diskState", "State of its disk."),
    column("Connection", ".status.connectionState", "State of the connection."),
    column("Suspended", ".status.suspended", "Whether I/O is frozen.", "boolean"),
    reasonColumn,
    { ...conditionColumn("NeedsReboot", "NeedsReboot", "Whether only a reboot helps."), wide: true },
    wideColumn("Minor", ".spec.minor", "DRBD device minor.", "integer"),
    wideColumn("Port", ".spec.port", "TCP port.", "integer"),
    messageColumn,
  ],
  selectableFields: [".spec.hostName", ".spec.mirrorRef.name"],
};
