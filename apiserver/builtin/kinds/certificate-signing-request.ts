import type { KubeObject } from "../../../machinery/object.ts";
import type { User } from "../../access/types.ts";
import type { FieldError } from "../../status.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { immutable, invalidValue, requiredValue } from "../field-errors.ts";
import { bytes, conditions, int32, kindSchema, listOf, mapOf, record, setOf, text } from "../schema-nodes.ts";

export interface CsrCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastUpdateTime?: string;
  readonly lastTransitionTime?: string;
}

export interface CsrObject extends KubeObject {
  spec: {
    request: string;
    signerName: string;
    usages?: string[];
    expirationSeconds?: number;
    username?: string;
    uid?: string;
    groups?: string[];
    extra?: Record<string, string[]>;
  };
  status?: { conditions?: CsrCondition[]; certificate?: string };
}

const DECISIONS = ["Approved", "Denied"];

const isDecision = (condition: CsrCondition): boolean => DECISIONS.includes(condition.type);

export const hasCondition = (csr: CsrObject, type: string): boolean =>
  (csr.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === "True");

/** What `kubectl get csr` shows: the decisions, then whether the certificate is there. */
function conditionCell(csr: CsrObject): string {
  const types = (csr.status?.conditions ?? []).map((condition) => condition.type);
  const words = types.length === 0 ? ["Pending"] : types;
  return (csr.status?.certificate ?? "") === "" ? words.join(",") : [...words, "Issued"].join(",");
}

const stampUser = (csr: CsrObject, user: User): void => {
  csr.spec = {
    ...csr.spec,
    username: user.name,
    ...(user.uid === "" ? {} : { uid: user.uid }),
    groups: [...user.groups],
    ...(Object.keys(user.extra).length === 0
      ? {}
      : { extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])) }),
  };
};

/** `/approval` writes the decisions, `/status` all else; neither loses the other's. */
function keepConditions(
  csr: CsrObject,
  old: CsrObject,
  mine: (condition: CsrCondition) => boolean,
): { conditions?: CsrCondition[] } {
  const kept = (old.status?.conditions ?? []).filter((one) => !mine(one));
  const all = [...kept, ...(csr.status?.conditions ?? []).filter(mine)];
  return all.length === 0 ? {} : { conditions: all };
}

/** The status without its conditions. */
function otherStatus(csr: CsrObject): Omit<NonNullable<CsrObject["status"]>, "conditions"> {
  const { conditions: _, ...rest } = csr.status ?? {};
  return rest;
}

export const csrKind: BuiltinKind = {
  group: "certificates.k8s.io",
  version: "v1",
  kind: "CertificateSigningRequest",
  plural: "certificatesigningrequests",
  namespaced: false,
  shortNames: ["csr"],
  schema: kindSchema(
    "Asks the server's certificate authority for a client certificate. Approve it with `kubectl certificate approve NAME`.",
    {
      spec: record(
        "What is asked for. Cannot be changed.",
        {
          request: bytes("A PKCS#10 request in PEM, in base64."),
          signerName: text(
            "Who shall sign: ferrite.dev/host for agents, kubernetes.io/kube-apiserver-client for people and programs.",
          ),
          expirationSeconds: int32("How long the certificate shall be valid, at least 600; the server may shorten it."),
          usages: listOf("Key usages: client auth, digital signature.", text("A key usage.")),
          username: text("Who asks; written by the server."),
          uid: text("UID of who asks; written by the server."),
          groups: listOf("Groups of who asks; written by the server.", text("A group.")),
          extra: mapOf("More about who asks; written by the server.", setOf("Values.", text("A value."))),
        },
        ["request", "signerName"],
      ),
      status: record("The decision and the certificate.", {
        conditions: conditions("Approved, Denied or Failed."),
        certificate: bytes("The certificate in PEM, in base64."),
      }),
    },
    ["spec"],
  ),
  status: true,
  custom: {
    approval: {
      verbs: ["get", "update", "patch"],
      prepareForUpdate(object, old) {
        const [csr, before] = [object as CsrObject, old as CsrObject];
        csr.spec = before.spec;
        csr.status = { ...otherStatus(before), ...keepConditions(csr, before, isDecision) };
      },
    },
  },
  columns: [
    AGE,
    { name: "SignerName", type: "string", jsonPath: ".spec.signerName" },
    { name: "Requestor", type: "string", jsonPath: ".spec.username" },
    {
      name: "RequestedDuration",
      type: "string",
      jsonPath: ".spec.expirationSeconds",
      cell: (csr) => durationCell((csr as CsrObject).spec.expirationSeconds),
    },
    {
      name: "Condition",
      type: "string",
      jsonPath: ".status.conditions",
      cell: (csr) => conditionCell(csr as CsrObject),
    },
  ],
  selectableFields: ["spec.signerName"],
  strategy: {
    prepareForCreate(object, user) {
      delete object["status"];
      stampUser(object as CsrObject, user);
    },
    prepareForUpdate(object, old) {
      object["spec"] = old["spec"];
      object["status"] = old["status"];
    },
    prepareForStatusUpdate(object, old) {
      const [csr, before] = [object as CsrObject, old as CsrObject];
      csr.status = { ...otherStatus(csr), ...keepConditions(csr, before, (condition) => !isDecision(condition)) };
    },
    validate: (object, old) => validateCsr(object as CsrObject, old as CsrObject | undefined),
  },
};

const durationCell = (seconds: number | undefined): string => (seconds === undefined ? "<none>" : `${seconds}s`);

const isSignerName = (name: string): boolean =>
  /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\.[a-z0-9][-a-z0-9.]*\/[-a-zA-Z0-9._~]+$/.test(name);

function validateCsr(csr: CsrObject, old: CsrObject | undefined): readonly FieldError[] {
  const { spec } = csr;
  const errors: FieldError[] = [];
  const pem = Buffer.from(spec.request, "base64").toString("latin1");
  if (
    !pem.includes("-----BEGIN CERTIFICATE REQUEST-----") &&
    !pem.includes("-----BEGIN NEW CERTIFICATE REQUEST-----")
  ) {
    errors.push(
      invalidValue("spec.request", "<request>", "must be a PEM block of type CERTIFICATE REQUEST, in base64"),
    );
  }
  if (spec.signerName === "") errors.push(requiredValue("spec.signerName"));
  else if (!isSignerName(spec.signerName)) {
    errors.push(
      invalidValue(
        "spec.signerName",
        spec.signerName,
        "must be a domain name, a slash and a path, such as ferrite.dev/host",
      ),
    );
  }
  if (!spec.usages?.length) errors.push(requiredValue("spec.usages"));
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < 600) {
    errors.push(
      invalidValue(
        "spec.expirationSeconds",
        spec.expirationSeconds,
        "may not specify a duration less than 600 seconds (10 minutes)",
      ),
    );
  }
  return [...errors, ...decisionErrors(csr, old)];
}

/** A decision is final: it cannot be taken back or turned round, and a certificate once issued stays. */
function decisionErrors(csr: CsrObject, old: CsrObject | undefined): readonly FieldError[] {
  const errors: FieldError[] = [];
  const decided = (csr.status?.conditions ?? []).filter(isDecision);
  for (const condition of decided) {
    if (condition.status !== "True")
      errors.push(invalidValue("status.conditions", condition.status, `status of ${condition.type} must be True`));
  }
  if (decided.length > 1)
    errors.push(invalidValue("status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive"));
  for (const before of (old?.status?.conditions ?? []).filter(isDecision)) {
    if (!decided.some((condition) => condition.type === before.type)) {
      errors.push(invalidValue("status.conditions", before.type, "a decision cannot be removed"));
    }
  }
  const certificate = old?.status?.certificate;
  if (certificate && !(certificate === csr.status?.certificate))
    errors.push(immutable("status.certificate", "<certificate>"));
  return errors;
}
