import { column, type KindDefinition } from "./kind-definition.ts";
import { object, text } from "./schema-node.ts";

export const allocation: KindDefinition = {
  kind: "Allocation",
  plural: "allocations",
  shortNames: ["falloc"],
  scope: "Cluster",
  description:
    "A claim on something that must be unique in the cluster, named after it: drbd-minor-1007, drbd-port-7907, " +
    "export-vmimage001. Creating it is the claim; that it exists already means taken.",
  nameRule: {
    rule: "self.metadata.name.matches('^(drbd-minor-[0-9]+|drbd-port-[0-9]+|export-[a-z0-9.-]+)$')",
    message: "metadata.name must be drbd-minor-<number>, drbd-port-<number> or export-<name>",
  },
  spec: object(
    "Whose it is.",
    {
      "owner!": object(
        "The object that uses it. The claim goes when the owner is gone.",
        {
          "kind!": text("Kind.", { minLength: 1, maxLength: 63 }),
          "namespace!": text("Namespace.", { maxLength: 63 }),
          "name!": text("Name.", { minLength: 1, maxLength: 253 }),
          "uid!": text("UID.", { minLength: 1, maxLength: 36 }),
        },
        { name: "AllocationOwner" },
      ),
    },
    {
      name: "AllocationSpec",
      rules: [
        {
          rule: "self.owner == oldSelf.owner",
          message: "owner cannot be changed: delete the claim and make it anew",
          fieldPath: ".owner",
          reason: "FieldValueForbidden",
        },
      ],
    },
  ),
  columns: [
    column("Kind", ".spec.owner.kind", "Kind of the owner."),
    column("Namespace", ".spec.owner.namespace", "Namespace of the owner."),
    column("Owner", ".spec.owner.name", "Name of the owner."),
  ],
  selectableFields: [],
};
