import type { KubeObject } from "../../../machinery/object.ts";
import type { FieldError } from "../../status.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { invalidValue } from "../field-errors.ts";
import { int32, kindSchema, record, text, time } from "../schema-nodes.ts";

interface Lease extends KubeObject {
  spec?: { holderIdentity?: string; leaseDurationSeconds?: number; leaseTransitions?: number };
}

export const leaseKind: BuiltinKind = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
  schema: kindSchema("Who leads or lives, until when: a heartbeat or the lock of a leader election.", {
    spec: record("The claim.", {
      holderIdentity: text("Who holds the lease."),
      leaseDurationSeconds: int32("How long after renewTime others must wait before they take it."),
      acquireTime: time("When the holder took it."),
      renewTime: time("When the holder renewed it last."),
      leaseTransitions: int32("How often it went from one holder to another."),
      preferredHolder: text("Who should take it next (coordinated leader election)."),
      strategy: text("How the holder is picked (coordinated leader election)."),
    }),
  }),
  columns: [
    { name: "Holder", type: "string", jsonPath: ".spec.holderIdentity", description: "Who holds the lease" },
    AGE,
  ],
  strategy: { allowCreateOnUpdate: true, allowUnconditionalUpdate: false, validate: validateLease },
};

function validateLease(object: Lease): readonly FieldError[] {
  const { leaseDurationSeconds, leaseTransitions } = object.spec ?? {};
  const errors: FieldError[] = [];
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    errors.push(invalidValue("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0"));
  }
  if (leaseTransitions !== undefined && leaseTransitions < 0) {
    errors.push(invalidValue("spec.leaseTransitions", leaseTransitions, "must be greater than or equal to 0"));
  }
  return errors;
}
