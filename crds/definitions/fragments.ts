import { exactlyOneOf, list, object, oneOf, type SchemaNode, text } from "./schema-node.ts";

const LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/** Name of a namespaced or cluster-scoped object of ours: a DNS label that still fits into an LV's name. */
export const objectName = (description: string): SchemaNode =>
  text(description, { minLength: 1, maxLength: 40, pattern: LABEL });

export const hostName = (description: string): SchemaNode => objectName(description);

const NAMESPACE = text("Namespace of the object.", { minLength: 1, maxLength: 63, pattern: LABEL });

/** A reference within the namespace, or to a cluster-scoped object. */
export const localRef = (description: string): SchemaNode =>
  object(description, { "name!": objectName("Name of the object.") }, { name: "LocalRef", atomic: true });

/** A Secret within the namespace; its name may be longer than ours. */
export const secretRef = (description: string): SchemaNode =>
  object(
    description,
    { "name!": text("Name of the Secret, in the same namespace.", { minLength: 1, maxLength: 253 }) },
    { name: "SecretRef", atomic: true },
  );

/** A reference from a cluster-scoped object to a namespaced one. */
export const namespacedRef = (description: string): SchemaNode =>
  object(
    description,
    { "namespace!": NAMESPACE, "name!": objectName("Name of the object.") },
    { name: "NamespacedRef", atomic: true },
  );

/** A Secret named from a cluster-scoped object. */
export const namespacedSecretRef = (description: string): SchemaNode =>
  object(
    description,
    { "namespace!": NAMESPACE, "name!": text("Name of the Secret.", { minLength: 1, maxLength: 253 }) },
    { name: "NamespacedRef", atomic: true },
  );

/** A size in bytes as Kubernetes writes sizes; whole numbers may stand without quotes. */
export const size = (description: string): SchemaNode => ({
  description: `${description} A quantity such as 500Mi or 1.5Ti.`,
  "x-kubernetes-int-or-string": true,
  anyOf: [{ type: "integer" }, { type: "string" }],
  minimum: 1,
  maxLength: 32,
  pattern: "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$",
  ts: { import: "Quantity" },
});

/** A size that an agent measured. */
export const measuredSize = (description: string): SchemaNode => text(`${description} A quantity.`, { maxLength: 32 });

/** A span of time such as `90s` or `1h30m`. */
export const duration = (description: string, fallback?: string): SchemaNode =>
  text(`${description} A duration such as 90s or 1h30m.`, {
    maxLength: 32,
    pattern: "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
    ...(fallback === undefined ? {} : { default: fallback }),
  });

export const time = (description: string): SchemaNode => text(description, { format: "date-time" });

export const devicePath = (description: string): SchemaNode =>
  text(description, { maxLength: 255, pattern: "^/dev/[-A-Za-z0-9_+.:/]+$" });

export const ipAddress = (description: string): SchemaNode =>
  text(`${description} An IPv4 or IPv6 address.`, { maxLength: 45, pattern: "^[0-9a-fA-F.:]+$" });

/** Labels that an object must carry to be chosen; empty chooses all. */
export const labelSelector = (description: string): SchemaNode =>
  object(
    description,
    {
      matchLabels: {
        type: "object",
        description: "Labels and their values, all of which must be there.",
        maxProperties: 16,
        additionalProperties: { type: "string", maxLength: 63 },
      },
      matchExpressions: list(
        "Requirements on labels, all of which must hold.",
        object(
          "One requirement.",
          {
            "key!": text("Label key.", { maxLength: 317 }),
            "operator!": oneOf(["In", "NotIn", "Exists", "DoesNotExist"], "How the label's value relates to values."),
            values: list("Values for In and NotIn.", { type: "string", maxLength: 63 }, { max: 32 }),
          },
          { name: "LabelSelectorRequirement" },
        ),
        { max: 16 },
      ),
    },
    { name: "LabelSelector", atomic: true },
  );

/** Fields of a block source: the object that holds them gets `BLOCK_SOURCE_RULE`. */
export const BLOCK_SOURCE_FIELDS = {
  volumeRef: localRef("A Volume: a logical volume on the host that holds it."),
  mirrorRef: localRef("A Mirror: the replicated device, on the host that is its primary."),
  importRef: localRef("An Import: a device that another host exports."),
} as const;

export const BLOCK_SOURCE_RULE = exactlyOneOf(Object.keys(BLOCK_SOURCE_FIELDS));

/** A file system made once, on an empty device. */
export const fileSystem = (description: string): SchemaNode =>
  object(
    `${description} Made only when the device holds nothing; grown with the device.`,
    {
      "type!": oneOf(["ext4", "xfs"], "Kind of file system."),
      label: text("Label of the file system; xfs takes 12 characters at most.", {
        maxLength: 16,
        pattern: "^[-A-Za-z0-9_.]*$",
      }),
    },
    {
      name: "FileSystem",
      rules: [
        {
          rule: "self.type != 'xfs' || !has(self.label) || self.label.size() <= 12",
          message: "a label of an xfs file system has at most 12 characters",
          fieldPath: ".label",
        },
      ],
    },
  );

/** What a new device starts with, instead of zeros. */
export const dataSource = (description: string, kind: "Volume" | "Mirror"): SchemaNode =>
  object(
    description,
    {
      snapshotRef: localRef("Copy of this Snapshot."),
      volumeRef: localRef("Copy of this Volume as it is when the copy starts; thin volumes are cloned at once."),
      image: object(
        "Copy of a disk image in raw form.",
        {
          url: text("Where an agent fetches the image, by http or https.", {
            maxLength: 2048,
            pattern: "^https?://[^\\s]+$",
          }),
          path: text("Path of the image on the host that makes the device, below /var/lib/ferrite/images.", {
            maxLength: 1024,
            pattern: "^/var/lib/ferrite/images(/[-A-Za-z0-9_+~][-A-Za-z0-9_+~.]*)+$",
          }),
          sha256: text("SHA-256 of the image, in hexadecimal. The device is not Ready before it was compared.", {
            pattern: "^[0-9a-f]{64}$",
          }),
        },
        {
          name: "ImageSource",
          rules: [
            exactlyOneOf(["url", "path"]),
            {
              rule: "!has(self.url) || has(self.sha256)",
              message: "an image from the network needs its sha256",
              fieldPath: ".sha256",
              reason: "FieldValueRequired",
            },
          ],
        },
      ),
    },
    { name: `${kind}DataSource`, rules: [exactlyOneOf(["snapshotRef", "volumeRef", "image"])] },
  );

export const deletionPolicy = (what: string): SchemaNode =>
  oneOf(
    ["Delete", "Retain", "Orphan"],
    `What happens to ${what} when this object is deleted. Delete removes it and its data; Retain takes it out of use ` +
      "and keeps the data; Orphan leaves it as it is, running. Absent: Delete for what was created here, Retain for " +
      "what was adopted.",
  );

const CONDITION: SchemaNode = {
  ...object("One aspect of the state, as metav1.Condition.", {
    "type!": text("Name of the aspect, such as Ready.", { minLength: 1, maxLength: 316 }),
    "status!": oneOf(["True", "False", "Unknown"], "Whether it holds."),
    "reason!": text("One CamelCase word for programs.", {
      minLength: 1,
      maxLength: 1024,
      pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    }),
    "message!": text("For people: while something is wrong, what blocks, where, and the next step.", {
      maxLength: 32768,
    }),
    observedGeneration: integerGeneration("metadata.generation that the condition was seen for."),
    "lastTransitionTime!": time("When status last changed."),
  }),
  ts: { import: "Condition" },
};

function integerGeneration(description: string): SchemaNode {
  return { type: "integer", format: "int64", description, minimum: 0 };
}

/** The two fields that every status begins with. `types` says which conditions there are and what they mean. */
export const commonStatus = (types: Readonly<Record<string, string>>): Readonly<Record<string, SchemaNode>> => ({
  observedGeneration: integerGeneration("metadata.generation that the writer of Ready acted on last."),
  conditions: list(
    `The state in words. ${Object.entries(types)
      .map(([type, meaning]) => `${type}: ${meaning}`)
      .join(" ")}`,
    CONDITION,
    { max: 16, keys: ["type"] },
  ),
});
