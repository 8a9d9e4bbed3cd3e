import type { PolicyIndex } from "../../access/rbac/policy-index.ts";
import { rulesFor } from "../../access/rbac/authorizer.ts";
import type { Attributes, Authorizer, User } from "../../access/types.ts";
import type { SchemaNode } from "../../schema/types.ts";
import type { VirtualRequest } from "../../registry/types.ts";
import { type FieldError, invalid } from "../../status.ts";
import { invalidValue, requiredValue } from "../field-errors.ts";
import { type Fields, flag, kindSchema, listOf, mapOf, record, text } from "../schema-nodes.ts";
import type { VirtualKind } from "./virtual-kind.ts";

const GROUP = "authorization.k8s.io";
const API_VERSION = `${GROUP}/v1`;

interface ResourceAttributes {
  readonly namespace?: string;
  readonly verb?: string;
  readonly group?: string;
  readonly version?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
}

interface ReviewSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

const question = {
  resourceAttributes: record("An action on a resource; or else nonResourceAttributes.", {
    namespace: text("Namespace; empty for cluster-scoped resources, or for all namespaces."),
    verb: text("get, list, watch, create, update, patch, delete, deletecollection, or *."),
    group: text("API group, or *."),
    version: text("API version, or *."),
    resource: text("Plural of the resource, or *."),
    subresource: text("Subresource, such as status."),
    name: text("Name of one object; empty for all."),
    fieldSelector: record("Not looked at.", { rawSelector: text("A field selector.") }),
    labelSelector: record("Not looked at.", { rawSelector: text("A label selector.") }),
  }),
  nonResourceAttributes: record("An action on a URL; or else resourceAttributes.", {
    path: text("Path of the URL."),
    verb: text("The HTTP method in lower case."),
  }),
};

const subject = {
  user: text("Who would act."),
  uid: text("UID of the user."),
  groups: listOf("Groups of the user.", text("A group.")),
  extra: mapOf("More about the user.", listOf("Values.", text("A value."))),
};

const answer = record("The answer, by the server.", {
  allowed: flag("Whether it is allowed."),
  denied: flag("Whether it is denied for good; never set here."),
  reason: text("Why."),
  evaluationError: text("What could not be looked at."),
});

function toAttributes(user: User, spec: ReviewSpec): Attributes {
  const { resourceAttributes: asked, nonResourceAttributes: url } = spec;
  return {
    user,
    verb: asked?.verb ?? url?.verb ?? "",
    namespace: asked?.namespace ?? "",
    apiGroup: asked?.group ?? "",
    apiVersion: asked?.version ?? "",
    resource: asked?.resource ?? "",
    subresource: asked?.subresource ?? "",
    name: asked?.name ?? "",
    resourceRequest: asked !== undefined,
    path: url?.path ?? "",
  };
}

function specOf(
  request: VirtualRequest,
  plural: string,
  errors: (spec: ReviewSpec) => readonly FieldError[] = () => [],
): ReviewSpec {
  const spec = (request.body["spec"] ?? {}) as ReviewSpec;
  const asked = Number(spec.resourceAttributes !== undefined) + Number(spec.nonResourceAttributes !== undefined);
  const found = [
    ...errors(spec),
    ...(asked === 1
      ? []
      : [
          invalidValue(
            "spec.resourceAttributes",
            asked,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
          ),
        ]),
  ];
  if (found.length > 0) throw invalid({ group: GROUP, plural, kind: request.body.kind }, "", found);
  return spec;
}

async function review(authorizer: Authorizer, attributes: Attributes): Promise<Record<string, unknown>> {
  const { allowed, reason } = await authorizer.authorize(attributes);
  return { allowed, ...(reason === "" ? {} : { reason }) };
}

/** The user that a SubjectAccessReview speaks of: nobody checks that he exists. */
const askedAbout = (spec: ReviewSpec): User => ({
  name: spec.user ?? "",
  uid: spec.uid ?? "",
  groups: spec.groups ?? [],
  extra: spec.extra ?? {},
});

const needsSubject = (spec: ReviewSpec): readonly FieldError[] =>
  !spec.user && !spec.groups?.length
    ? [requiredValue("spec.user", "at least one of user or group must be specified")]
    : [];

const BASE = { group: GROUP, version: "v1", bodyApiVersion: API_VERSION };

const reviewSchema = (description: string, spec: Fields): SchemaNode =>
  kindSchema(description, { spec: record("The question.", spec), status: answer }, ["spec"]);

/** What `kubectl auth can-i` and webhooks ask. */
export function accessReviews(authorizer: Authorizer, index: PolicyIndex): readonly VirtualKind[] {
  return [ownAccess(authorizer), access(authorizer), localAccess(authorizer), ownRules(index)];
}

const ownAccess = (authorizer: Authorizer): VirtualKind => ({
  ...BASE,
  plural: "selfsubjectaccessreviews",
  kind: "SelfSubjectAccessReview",
  namespaced: false,
  schema: reviewSchema("Asks whether you may do something.", question),
  status: (request) => review(authorizer, toAttributes(request.user, specOf(request, "selfsubjectaccessreviews"))),
});

const access = (authorizer: Authorizer): VirtualKind => ({
  ...BASE,
  plural: "subjectaccessreviews",
  kind: "SubjectAccessReview",
  namespaced: false,
  schema: reviewSchema("Asks whether somebody may do something.", { ...question, ...subject }),
  status(request) {
    const spec = specOf(request, "subjectaccessreviews", needsSubject);
    return review(authorizer, toAttributes(askedAbout(spec), spec));
  },
});

const localAccess = (authorizer: Authorizer): VirtualKind => ({
  ...BASE,
  plural: "localsubjectaccessreviews",
  kind: "LocalSubjectAccessReview",
  namespaced: true,
  schema: reviewSchema("Asks whether somebody may do something in this namespace.", { ...question, ...subject }),
  status(request) {
    const spec = specOf(request, "localsubjectaccessreviews", (given) => [
      ...needsSubject(given),
      ...outside(given, request.namespace),
    ]);
    return review(authorizer, toAttributes(askedAbout(spec), spec));
  },
});

function outside({ resourceAttributes }: ReviewSpec, namespace: string): readonly FieldError[] {
  const asked = resourceAttributes?.namespace ?? "";
  if (asked === namespace) return [];
  const detail = `must be the namespace of the request, ${namespace}`;
  return [invalidValue("spec.resourceAttributes.namespace", asked, detail)];
}

const ownRules = (index: PolicyIndex): VirtualKind => ({
  ...BASE,
  plural: "selfsubjectrulesreviews",
  kind: "SelfSubjectRulesReview",
  namespaced: false,
  schema: kindSchema(
    "Lists what you may do in a namespace.",
    { spec: record("The question.", { namespace: text("The namespace.") }), status: rulesAnswer },
    ["spec"],
  ),
  status: (request) => Promise.resolve().then(() => listRules(request, index)),
});

const rulesAnswer = record("The answer, by the server.", {
  resourceRules: listOf(
    "What may be done with resources.",
    record("A rule.", {
      verbs: listOf("Verbs.", text("A verb.")),
      apiGroups: listOf("API groups.", text("A group.")),
      resources: listOf("Resources.", text("A resource.")),
      resourceNames: listOf("Names.", text("A name.")),
    }),
  ),
  nonResourceRules: listOf(
    "What may be done with URLs.",
    record("A rule.", {
      verbs: listOf("Verbs.", text("A verb.")),
      nonResourceURLs: listOf("Paths.", text("A path.")),
    }),
  ),
  incomplete: flag("Whether there is more than can be listed."),
  evaluationError: text("What could not be looked at."),
});

function listRules({ user, body }: VirtualRequest, index: PolicyIndex): Record<string, unknown> {
  const namespace = (body["spec"] as { namespace?: string } | undefined)?.namespace ?? "";
  if (namespace === "")
    throw invalid({ group: GROUP, plural: "selfsubjectrulesreviews", kind: body.kind }, "", [
      requiredValue("spec.namespace"),
    ]);
  const rules = rulesFor(index, user, namespace);
  const byHost = user.groups.includes("ferrite:hosts");
  return {
    resourceRules: rules.filter((rule) => rule.resources?.length),
    nonResourceRules: rules.filter((rule) => rule.nonResourceURLs?.length),
    incomplete: byHost,
    ...(byHost ? { evaluationError: "the rights of hosts depend on the objects and cannot be listed" } : {}),
  };
}
