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
import { exactlyOneOf, flag, immutable, integer, list, object, oneOf, text } from "./schema-node.ts";

/** What both sides of a mirror report about one replica. */
export const REPLICA_STATE = {
  role: text("Primary or Secondary, as DRBD says.", { maxLength: 32 }),
  diskState: text("State of its own disk, as DRBD says: UpToDate, Outdated, Inconsistent, Diskless …", {
    maxLength: 32,
  }),
  connectionState: text("State of the connection, as DRBD says: Connected, WFConnection, StandAlone, SyncSource …", {
    maxLength: 32,
  }),
  peerRole: text("Role of the other side, as DRBD says.", { maxLength: 32 }),
  peerDiskState: text("State of the other side's disk, as DRBD says.", { maxLength: 32 }),
  currentUUID: text("DRBD's current data generation, 16 hexadecimal digits.", { maxLength: 32 }),
  suspended: flag("Whether I/O is frozen."),
  outOfSyncBytes: integer("Bytes that the other side lacks.", { minimum: 0 }),
  resync: object(
    "Running resynchronisation; absent when there is none.",
    {
      percent: text("How much is done, in percent.", { maxLength: 8 }),
      finishTime: f.time("When it will be done, at the present speed."),
    },
    { name: "ResyncProgress" },
  ),
} as const;

/** A comparison of the two copies. */
export const VERIFY_STATE = {
  "order!": text("Which order it answers: the time at which it was given.", { maxLength: 64 }),
  "state!": oneOf(
    ["Ordered", "Running", "Finished", "Interrupted"],
    "How far it is. Interrupted: the connection broke, or the agent restarted, before the end; it begins again.",
  ),
  startTime: f.time("When it began."),
  finishTime: f.time("When it ended."),
  outOfSyncBytes: integer("What differs between the two copies, once finished.", { minimum: 0 }),
} as const;

/** The file system on the mirrored device. */
export const FILE_SYSTEM_STATE = {
  "state!": oneOf(
    ["Making", "Made"],
    "Written before it is made: what a crash left half made is made again, and nothing else.",
  ),
  deviceBytes: integer("Size of the device that it fills.", { minimum: 0 }),
} as const;

export const generationHost = { hostName: f.hostName("The host whose data is the first generation.") };

export const mirror: KindDefinition = {
  kind: "Mirror",
  plural: "mirrors",
  shortNames: ["fmir"],
  scope: "Namespaced",
  description:
    "A block device kept identical on two hosts by DRBD. A write is acknowledged when both have it; when one host is " +
    "lost the other goes on with all acknowledged writes.",
  spec: object(
    "What is wanted.",
    {
      "size!": f.size("Usable size. It grows while in use; a smaller size is refused."),
      replicas: list(
        "The two hosts and what each keeps its copy on.",
        object(
          "One side.",
          {
            "hostName!": f.hostName("The host."),
            volumeGroupRef: f.localRef("The VolumeGroup of that host in which a logical volume is made for it."),
            device: f.devicePath("A device of that host, used as a whole."),
          },
          { name: "MirrorReplicaSource", rules: [exactlyOneOf(["volumeGroupRef", "device"])] },
        ),
        { min: 2, max: 2, keys: ["hostName"] },
      ),
      placement: object(
        "Let the controller choose two hosts; its choice stands in status.replicas.",
        {
          hostSelector: f.labelSelector("Hosts that may be chosen."),
          volumeGroupSelector: f.labelSelector("VolumeGroups that may be chosen."),
        },
        { name: "MirrorPlacement" },
      ),
      thin: flag("Make the logical volumes thin.", { default: false }),
      primary: object(
        "Where the device is preferably in use.",
        { "hostName!": f.hostName("The host.") },
        { name: "PreferredPrimary" },
      ),
      allowTwoPrimaries: oneOf(
        ["Never", "DuringMigration"],
        "Whether both hosts may have the device open for the moment of a live migration.",
        "DuringMigration",
      ),
      resyncRate: f.size(
        "Most that a resynchronisation may transfer in a second; DRBD adapts to the load when absent.",
      ),
      verifySchedule: text("When the two copies are compared, as five cron fields in UTC; never when absent.", {
        maxLength: 128,
        pattern: "^[-0-9*/,]+( [-0-9*/,A-Za-z]+){4}$",
      }),
      verifyRequest: text("Any word; another word has the two copies compared once, now.", {
        minLength: 1,
        maxLength: 64,
      }),
      sharedSecretRef: f.secretRef("Secret with the key sharedSecret, by which the two sides know each other."),
      fileSystem: f.fileSystem("Make this file system on the mirrored device."),
      source: f.dataSource("What it starts with.", "Mirror"),
      splitBrain: object(
        "A person's decision after a split brain.",
        { "victim!": f.hostName("The host whose changes since the split are given up. Its copy is overwritten.") },
        { name: "SplitBrainResolution" },
      ),
      deletionPolicy: f.deletionPolicy("both copies"),
    },
    {
      name: "MirrorSpec",
      rules: [
        exactlyOneOf(["replicas", "placement"]),
        immutable("thin", "make a new Mirror with a copy of the data"),
        immutable("fileSystem", "a file system is made once"),
        immutable("source", "a Mirror is filled once"),
        {
          rule: "!has(self.source) || !has(self.fileSystem)",
          message: "a copy has the file system of its source: fileSystem cannot be set",
          fieldPath: ".fileSystem",
          reason: "FieldValueForbidden",
        },
        {
          rule: "!has(self.replicas) || !has(self.primary) || self.replicas.exists(r, r.hostName == self.primary.hostName)",
          message: "the preferred primary must be one of the replicas' hosts",
          fieldPath: ".primary",
        },
        {
          rule: "!has(self.replicas) || !has(self.splitBrain) || self.replicas.exists(r, r.hostName == self.splitBrain.victim)",
          message: "the victim must be one of the replicas' hosts",
          fieldPath: ".splitBrain",
        },
      ],
    },
  ),
  status: object(
    "What is there.",
    {
      ...f.commonStatus({
        Ready: "the device is usable on the primary.",
        InSync: "both copies are up to date.",
        Degraded: "only one copy is up to date: losing its host loses the device.",
        SplitBrain: "both sides were written separately; nothing is discarded before spec.splitBrain says which.",
        Verified: "what the last comparison of the two copies found; absent while none was asked for.",
      }),
      primary: f.hostName("The host that has the device in use."),
      members: list("Hosts that hold every acknowledged write, copied from the HostPair.", f.hostName("A host."), {
        max: 2,
        keys: "set",
      }),
      firstGeneration: object(
        "How far the two copies' first common data generation has come.",
        {
          "state!": oneOf(
            ["Planned", "SourceMetadataMade", "BothMetadataMade", "GenerationSet"],
            "Written before each step is taken, so that no step is taken twice.",
          ),
          ...generationHost,
          uuid: text("The data generation, once set.", { maxLength: 32 }),
        },
        { name: "FirstGeneration" },
      ),
      replicas: list(
        "The two sides, copied from the MirrorReplicas every few seconds.",
        object("One side.", { "hostName!": f.hostName("The host."), ...REPLICA_STATE }, { name: "MirrorReplicaState" }),
        { max: 2, keys: ["hostName"] },
      ),
      verify: object(
        "The last comparison of the two copies.",
        {
          ...VERIFY_STATE,
          orderedTime: f.time("When it was ordered, by spec.verifySchedule or spec.verifyRequest."),
          request: text("The last spec.verifyRequest that was acted on.", { maxLength: 64 }),
        },
        { name: "MirrorVerify" },
      ),
      fileSystem: object("The file system of spec.fileSystem.", FILE_SYSTEM_STATE, { name: "MirrorFileSystem" }),
      splitBrain: object(
        "What became of spec.splitBrain. A word counts once: for another split brain remove it, and give it anew.",
        {
          "victim!": f.hostName("The host that it named."),
          "state!": oneOf(
            ["Ordered", "Done", "Void"],
            "Ordered: that host gives up its changes. Done: the two sides share one history again. Void: it was given while " +
              "there was no split brain, and counts for none.",
          ),
        },
        { name: "SplitBrainState" },
      ),
      devicePath: text("Block device on the primary.", { maxLength: 255 }),
      capacity: f.measuredSize("Real usable size."),
    },
    {
      name: "MirrorStatus",
      rules: [
        {
          rule: "!has(oldSelf.firstGeneration) || has(self.firstGeneration)",
          message: "firstGeneration is never taken back",
          fieldPath: ".firstGeneration",
          reason: "FieldValueForbidden",
        },
      ],
    },
  ),
  columns: [
    readyColumn,
    column("Primary", ".status.primary", "The host that has the device in use."),
    conditionColumn("InSync", "InSync", "Whether both copies are up to date."),
    column("Disks", ".status.replicas[*].diskState", "States of the two disks."),
    column("Resync", ".status.replicas[*].resync.percent", "How much of a running resynchronisation is done."),
    column("Size", ".status.capacity", "Usable size."),
    reasonColumn,
    wideColumn("Hosts", ".status.replicas[*].hostName", "The two hosts."),
    wideColumn("Device", ".status.devicePath", "Block device on the primary."),
    messageColumn,
  ],
  selectableFields: [".status.primary"],
};
