import type { KubeObject } from "../../../machinery/object.ts";
import type { PrinterColumn } from "../../registry/types.ts";
import { pathSegmentProblem } from "../../schema/meta-rules.ts";
import type { FieldError } from "../../status.ts";
import { AGE, type BuiltinKind } from "../builtin-kind.ts";
import { forbidden, invalidValue, notSupported, requiredValue } from "../field-errors.ts";
import { anything, atomic, kindSchema, listOf, record, text } from "../schema-nodes.ts";

export const RBAC_GROUP = "rbac.authorization.k8s.io";

/** rbac/v1 PolicyRule. */
export interface PolicyRule {
  readonly verbs?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

export interface Subject {
  readonly kind: string;
  readonly apiGroup?: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface RoleRef {
  readonly apiGroup: string;
  readonly kind: string;
  readonly name: string;
}

/** Role and ClusterRole. */
export interface RoleObject extends KubeObject {
  rules?: PolicyRule[];
  aggregationRule?: { clusterRoleSelectors?: { matchLabels?: Record<string, string> }[] };
}

/** RoleBinding and ClusterRoleBinding. */
export interface BindingObject extends KubeObject {
  subjects?: Subject[];
  roleRef: RoleRef;
}

const names = (description: string) => listOf(description, text("A name, or * for all."));

const rules = listOf(
  "What is allowed. Rules only add up, none takes away.",
  record(
    "Verbs on resources, or on URLs.",
    {
      verbs: names("What may be done: get, list, watch, create, update, patch, delete, deletecollection, or *."),
      apiGroups: names('API groups of the resources; "" is the core group.'),
      resources: names("Plurals of resources, or resource/subresource."),
      resourceNames: names("Only objects of these names; empty means all. Never applies to create."),
      nonResourceURLs: names("Paths such as /healthz or /metrics/*; only in a ClusterRole."),
    },
    ["verbs"],
  ),
);

const subjects = listOf(
  "Who gets the role.",
  atomic(
    record(
      "A user, a group or a service account.",
      {
        kind: text("User, Group or ServiceAccount."),
        apiGroup: text("rbac.authorization.k8s.io for users and groups, empty for service accounts."),
        name: text("Name of the subject."),
        namespace: text("Namespace of a service account."),
      },
      ["kind", "name"],
    ),
  ),
);

const roleRef = atomic(
  record(
    "The role that is given. Cannot be changed.",
    {
      apiGroup: text("rbac.authorization.k8s.io.", { default: RBAC_GROUP }),
      kind: text("Role or ClusterRole."),
      name: text("Name of the role."),
    },
    ["kind", "name"],
  ),
);

/** Colons are welcome. */
const validateName = pathSegmentProblem;

const ROLE_COLUMNS: readonly PrinterColumn[] = [
  { name: "Created At", type: "string", jsonPath: ".metadata.creationTimestamp" },
];

const subjectNames = (kind: string) => (object: KubeObject) =>
  ((object as BindingObject).subjects ?? [])
    .filter((subject) => subject.kind === kind)
    .map((subject) => (kind === "ServiceAccount" ? `${subject.namespace ?? ""}/${subject.name}` : subject.name))
    .join(", ");

const roleCell = (object: KubeObject): string => {
  const { roleRef } = object as BindingObject;
  return `${roleRef.kind}/${roleRef.name}`;
};

const bindingColumns: readonly PrinterColumn[] = [
  {
    name: "Role",
    type: "string",
    jsonPath: ".roleRef.name",
    cell: roleCell,
  },
  AGE,
  { name: "Users", type: "string", jsonPath: ".subjects", priority: 1, cell: subjectNames("User") },
  { name: "Groups", type: "string", jsonPath: ".subjects", priority: 1, cell: subjectNames("Group") },
  { name: "ServiceAccounts", type: "string", jsonPath: ".subjects", priority: 1, cell: subjectNames("ServiceAccount") },
];

function validateRules(object: RoleObject, namespaced: boolean): readonly FieldError[] {
  return (object.rules ?? []).flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`, namespaced));
}

function ruleErrors(rule: PolicyRule, path: string, namespaced: boolean): readonly FieldError[] {
  const urls = rule.nonResourceURLs?.length ?? 0;
  const errors: FieldError[] = [];
  if ((rule.verbs?.length ?? 0) === 0)
    errors.push(requiredValue(`${path}.verbs`, "verbs must contain at least one value"));
  if (urls > 0) {
    if (namespaced)
      errors.push(
        invalidValue(
          `${path}.nonResourceURLs`,
          rule.nonResourceURLs,
          "namespaced rules cannot apply to non-resource URLs",
        ),
      );
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
      errors.push(
        invalidValue(
          `${path}.nonResourceURLs`,
          rule.nonResourceURLs,
          "rules cannot apply to both regular resources and non-resource URLs",
        ),
      );
    }
    return errors;
  }
  if (!rule.apiGroups?.length)
    errors.push(requiredValue(`${path}.apiGroups`, "resource rules must supply at least one api group"));
  if (!rule.resources?.length)
    errors.push(requiredValue(`${path}.resources`, "resource rules must supply at least one resource"));
  return errors;
}

/** The group of a subject follows from its kind, so nobody need write it. */
function defaultSubjects(object: BindingObject): void {
  if (object.subjects === undefined) return;
  object.subjects = object.subjects.map((subject) => ({
    ...subject,
    apiGroup: subject.apiGroup ?? (subject.kind === "ServiceAccount" ? "" : RBAC_GROUP),
  }));
}

function validateBinding(
  object: BindingObject,
  old: BindingObject | undefined,
  namespaced: boolean,
): readonly FieldError[] {
  const { roleRef, subjects } = object;
  const errors: FieldError[] = [];
  const kinds = namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"];
  if (roleRef.apiGroup !== RBAC_GROUP) errors.push(notSupported("roleRef.apiGroup", roleRef.apiGroup, [RBAC_GROUP]));
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported("roleRef.kind", roleRef.kind, kinds));
  if (roleRef.name === "") errors.push(requiredValue("roleRef.name"));
  if (old !== undefined && !sameRef(old.roleRef, roleRef))
    errors.push(invalidValue("roleRef", roleRef, "cannot change roleRef"));
  return [...errors, ...(subjects ?? []).flatMap((subject, index) => subjectErrors(subject, `subjects[${index}]`))];
}

const sameRef = (left: RoleRef, right: RoleRef): boolean =>
  left.apiGroup === right.apiGroup && left.kind === right.kind && left.name === right.name;

function subjectErrors(subject: Subject, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (subject.name === "") errors.push(requiredValue(`${path}.name`));
  switch (subject.kind) {
    case "ServiceAccount":
      if ((subject.apiGroup ?? "") !== "") errors.push(notSupported(`${path}.apiGroup`, subject.apiGroup ?? "", [""]));
      if (!subject.namespace) errors.push(requiredValue(`${path}.namespace`));
      break;
    case "User":
    case "Group":
      if (subject.apiGroup !== RBAC_GROUP)
        errors.push(notSupported(`${path}.apiGroup`, subject.apiGroup ?? "", [RBAC_GROUP]));
      if (subject.namespace) errors.push(forbidden(`${path}.namespace`, `a ${subject.kind} has no namespace`));
      break;
    default:
      errors.push(notSupported(`${path}.kind`, subject.kind, ["ServiceAccount", "User", "Group"]));
  }
  return errors;
}

const roleKind = (kind: "Role" | "ClusterRole", namespaced: boolean): BuiltinKind => ({
  group: RBAC_GROUP,
  version: "v1",
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced,
  schema: kindSchema(
    namespaced
      ? "What may be done in one namespace."
      : "What may be done in all namespaces, to cluster-scoped objects and URLs.",
    {
      rules,
      ...(namespaced
        ? {}
        : {
            aggregationRule: record(
              "When given, rules are filled from other ClusterRoles and not to be written by hand.",
              {
                clusterRoleSelectors: listOf(
                  "Label selectors of the ClusterRoles whose rules are taken over.",
                  anything("A label selector: matchLabels, matchExpressions."),
                ),
              },
            ),
          }),
    },
  ),
  columns: ROLE_COLUMNS,
  strategy: { validateName, validate: (object) => validateRules(object, namespaced) },
});

const bindingKind = (kind: "RoleBinding" | "ClusterRoleBinding", namespaced: boolean): BuiltinKind => ({
  group: RBAC_GROUP,
  version: "v1",
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced,
  schema: kindSchema(
    namespaced ? "Gives a role to subjects in one namespace." : "Gives a ClusterRole to subjects everywhere.",
    { subjects, roleRef },
    ["roleRef"],
  ),
  columns: bindingColumns,
  strategy: {
    validateName,
    prepareForCreate: (object) => defaultSubjects(object as BindingObject),
    prepareForUpdate: (object) => defaultSubjects(object as BindingObject),
    validate: (object, old) => validateBinding(object as BindingObject, old as BindingObject | undefined, namespaced),
  },
});

export const rbacKinds: readonly BuiltinKind[] = [
  roleKind("Role", true),
  bindingKind("RoleBinding", true),
  roleKind("ClusterRole", false),
  bindingKind("ClusterRoleBinding", false),
];
