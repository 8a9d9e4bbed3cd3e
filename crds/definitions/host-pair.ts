import * as f from "./fragments.ts";
import { column, type KindDefinition } from "./kind-definition.ts";
import { flag, immutable, integer, list, object, type Rule, text } from "./schema-node.ts";

/** Bounds the cost of the rules that compare every mirror with every other. */
const MAX_MIRRORS = 256;

const mirrors = list(
  "The mirrors between the two hosts and who holds their data.",
  object(
    "One mirror.",
    {
      "namespace!": text("Namespace of the Mirror.", { maxLength: 63 }),
      "name!": f.objectName("Name of the Mirror."),
      "uid!": text("UID of the Mirror.", { minLength: 1, maxLength: 36 }),
      "members!": list(
        "Hosts that hold every acknowledged write. A host outside may not be promoted.",
        f.hostName("A host."),
        { min: 1, max: 2, keys: "set" },
      ),
      restarted: list(
        "Hosts that have restarted and not met the other one since. One that is a member stays one, and meets nobody before the other " +
          "side has gone on without it or has answered; one that is not becomes none before they have met.",
        f.hostName("A host."),
        { max: 2, keys: "set" },
      ),
      inDoubt: flag(
        "The only member knows that it may lack acknowledged writes: nothing is promoted before a person says in spec.trust which copy counts.",
      ),
      discarded: list(
        "Hosts whose copy a person gave up: it begins anew, with a full resync, and is no member before.",
        f.hostName("A host."),
        { max: 2, keys: "set" },
      ),
      primary: f.hostName("The host that may write; absent when none may."),
      dataUUID: text("DRBD's data generation that the members have.", { maxLength: 32 }),
      window: object(
        "A live migration in which both hosts have the device open.",
        {
          "from!": f.hostName("The host that the guest leaves."),
          "to!": f.hostName("The host that the guest goes to."),
        },
        { name: "MigrationWindow", rules: [{ rule: "self.from != self.to", message: "from and to must differ" }] },
      ),
    },
    {
      name: "HostPairMirror",
      rules: [
        {
          rule: "!has(self.primary) || self.primary in self.members",
          message: "the primary must be a member",
          fieldPath: ".primary",
        },
        {
          rule: "!has(self.window) || (self.window.from in self.members && self.window.to in self.members)",
          message: "a migration window needs both hosts as members",
          fieldPath: ".window",
        },
      ],
    },
  ),
  { max: MAX_MIRRORS, keys: ["uid"] },
);

const GROWTH_RULE: Rule = {
  // `by` has to be the primary of before: a host that takes over cannot make itself a member in the same breath.
  rule:
    "self.incarnation != oldSelf.incarnation || self.mirrors.all(m, oldSelf.mirrors.all(o, o.uid != m.uid || m.members.all(h, h in o.members) || " +
    "(has(o.primary) && self.decision.by == o.primary) || (has(o.inDoubt) && o.inDoubt)))",
  message:
    "a host becomes a member only by the hand of the mirror's primary, or by a person's word while the only member is in doubt",
  fieldPath: ".mirrors",
  reason: "FieldValueForbidden",
};

const PROMOTION_RULE: Rule = {
  // Whom the primary takes in it may name as primary at once: that one writes, through the primary's host.
  rule:
    "self.incarnation != oldSelf.incarnation || " +
    "self.mirrors.all(m, !has(m.primary) || oldSelf.mirrors.all(o, o.uid != m.uid || m.primary in o.members || " +
    "(has(o.primary) && self.decision.by == o.primary)))",
  message: "only a host that was a member, or whom the primary takes in, can become primary",
  fieldPath: ".mirrors",
  reason: "FieldValueForbidden",
};

const STATUS_RULES: readonly Rule[] = [
  {
    rule: "self == oldSelf || self.epoch == oldSelf.epoch + 1",
    message: "every decision raises epoch by exactly 1",
    fieldPath: ".epoch",
    reason: "FieldValueForbidden",
  },
  {
    rule: "self == oldSelf || self.decision.nonce != oldSelf.decision.nonce",
    message: "every decision has a nonce of its own",
    fieldPath: ".decision",
    reason: "FieldValueForbidden",
  },
  GROWTH_RULE,
  PROMOTION_RULE,
];

export const hostPair: KindDefinition = {
  kind: "HostPair",
  plural: "hostpairs",
  shortNames: ["fpair"],
  scope: "Cluster",
  description:
    "The record by which two hosts that mirror to each other decide who may go on alone. Its status is written by the " +
    "two agents only, by PUT with a resourceVersion: every write is a compare-and-set.",
  nameRule: {
    rule:
      "self.metadata.name.size() <= 81 && " +
      "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?[.][a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    message: "metadata.name must be <host>.<host>",
  },
  rules: [
    {
      rule: "self.metadata.name == self.spec.hosts[0] + '.' + self.spec.hosts[1]",
      message: "metadata.name must be the two names in spec.hosts, joined by a dot",
    },
    {
      rule: "!has(oldSelf.status) || has(self.status)",
      message: "the record of decisions is never taken back",
      fieldPath: ".status",
      reason: "FieldValueForbidden",
    },
    {
      rule:
        "!has(self.status) || self.status.mirrors.all(m, m.members.all(h, h in self.spec.hosts) && " +
        "(!has(m.window) || (m.window.from in self.spec.hosts && m.window.to in self.spec.hosts)))",
      message: "members must be hosts of the pair",
      fieldPath: ".status.mirrors",
    },
    {
      rule: "!has(self.status) || self.status.decision.by in self.spec.hosts",
      message: "only the two hosts decide",
      fieldPath: ".status.decision",
    },
  ],
  spec: object(
    "Which two hosts.",
    {
      "hosts!": list("The two hosts, in alphabetical order.", f.hostName("A host."), {
        min: 2,
        max: 2,
        rules: [{ rule: "self[0] < self[1]", message: "the two hosts must differ and stand in alphabetical order" }],
      }),
      trust: object(
        "A person's word on which host holds the right data, where the hosts cannot prove it: of all mirrors after the store " +
          "was restored from a snapshot, or of one mirror whose only member is in doubt. The other one is filled from it. " +
          "Means exactly one record, and nothing once that has changed.",
        {
          "hostName!": f.hostName("The host whose data is right."),
          "incarnation!": text("The record's status.incarnation as it is now.", { minLength: 1, maxLength: 64 }),
          epoch: integer("The record's status.epoch as it is now; with mirror.", { minimum: 1 }),
          mirror: object(
            "The mirror that is in doubt; left out: all of them, after the store was restored.",
            {
              "namespace!": text("Its namespace.", { minLength: 1, maxLength: 63 }),
              "name!": f.objectName("Its name."),
            },
            { name: "TrustedMirror" },
          ),
        },
        {
          name: "HostPairTrust",
          rules: [
            {
              rule: "has(self.mirror) == has(self.epoch)",
              message:
                "a word about one mirror names the mirror and the epoch of the record that it was given for; one after a restore neither",
            },
          ],
        },
      ),
    },
    {
      name: "HostPairSpec",
      rules: [
        immutable("hosts", "another pair is another object"),
        {
          rule: "!has(self.trust) || self.trust.hostName in self.hosts",
          message: "the host whose data is right must be one of the two",
          fieldPath: ".trust.hostName",
        },
      ],
    },
  ),
  status: object(
    "The decisions.",
    {
      "epoch!": integer("Number of the decision; grows by exactly 1 with each.", { minimum: 1 }),
      "incarnation!": text("Which life of the store this is; another one after a restore from a snapshot.", {
        minLength: 1,
        maxLength: 64,
      }),
      "mirrors!": mirrors,
      "decision!": object(
        "The latest decision.",
        {
          "nonce!": text("Random, so that its writer knows its own write again.", { minLength: 1, maxLength: 64 }),
          "by!": f.hostName("The host that decided."),
          "bootID!": text("Boot of that host in which it decided.", { maxLength: 64 }),
          "reason!": text("Why, as one CamelCase word.", { maxLength: 64 }),
          "time!": f.time("When, by that host's clock; for people only."),
        },
        { name: "HostPairDecision" },
      ),
    },
    { name: "HostPairStatus", rules: STATUS_RULES },
  ),
  columns: [
    column("Epoch", ".status.epoch", "Number of the latest decision.", "integer"),
    column("Mirrors", ".status.mirrors[*].name", "The mirrors between the two hosts."),
    column("Primary", ".status.mirrors[*].primary", "Who may write, one for each mirror."),
    column("By", ".status.decision.by", "Who decided last."),
    column("Decision", ".status.decision.reason", "Why."),
    column("Decided", ".status.decision.time", "When.", "date"),
  ],
  selectableFields: [],
};
