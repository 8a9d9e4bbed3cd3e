import type { KubeObject } from "../../machinery/object.ts";
import type { FieldError } from "../status.ts";
import { crdShapeError, pruneCrd } from "./crd-shape.ts";
import { crdVersionErrors } from "./crd-version.ts";
import { childPath, indexPath, invalidValue, isObject, notSupported, required } from "./field-error.ts";
import { dns1035LabelProblem, dns1123SubdomainProblem } from "./meta-rules.ts";
import { jsonEqual, nestsDeeperThan } from "./node.ts";
import type { SchemaNode } from "./types.ts";

/** The parts of a CustomResourceDefinition that rules read; types are checked before they are trusted. */
export interface Crd {
  readonly metadata: { readonly name?: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: CrdSpec;
  readonly status?: {
    readonly storedVersions?: readonly string[];
    readonly conditions?: readonly { readonly type?: string; readonly status?: string }[];
  };
}

interface CrdSpec {
  readonly group?: string;
  readonly scope?: string;
  readonly names?: CrdNames;
  readonly versions?: readonly CrdVersion[];
  readonly conversion?: { readonly strategy?: string; readonly webhook?: unknown };
  readonly preserveUnknownFields?: boolean;
}

interface CrdNames {
  readonly plural?: string;
  readonly singular?: string;
  readonly kind?: string;
  readonly listKind?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

export interface CrdVersion {
  readonly name?: string;
  readonly served?: boolean;
  readonly storage?: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly schema?: { readonly openAPIV3Schema?: SchemaNode };
  readonly subresources?: {
    readonly status?: object;
    readonly scale?: { specReplicasPath?: string; statusReplicasPath?: string; labelSelectorPath?: string };
  };
  readonly additionalPrinterColumns?: readonly { name?: string; type?: string; format?: string; jsonPath?: string }[];
  readonly selectableFields?: readonly { readonly jsonPath?: string }[];
}

/** A schema level takes two levels of JSON, a CRD about ten more. */
const MAX_DEPTH = 250;

/**
 * What is wrong with a CustomResourceDefinition of apiextensions.k8s.io/v1, after its defaults (singular, listKind,
 * conversion) were filled in; with `old`, also what may not change. Texts are those of a kube-apiserver.
 */
export function validateCrd(crd: KubeObject, old?: KubeObject): readonly FieldError[] {
  if (nestsDeeperThan(crd, MAX_DEPTH))
    return [invalidValue("spec", "", `must not be nested more than ${MAX_DEPTH} levels deep`)];
  const malformed = crdShapeError(crd);
  if (malformed !== undefined) return [malformed];
  if (!isObject(crd["spec"])) return [required("spec")];
  const definition = withoutNulls(crd);
  const before = old === undefined ? undefined : withoutNulls(old);
  return [
    ...nameErrors(definition),
    ...specErrors(definition.spec, before?.spec),
    ...(before === undefined ? [] : immutableErrors(definition.spec, before)),
    ...storedVersionErrors(definition),
    ...approvalErrors(definition, before),
  ];
}

/** Null means absent, as in Go; unknown fields are not ours to judge. */
function withoutNulls(crd: KubeObject): Crd {
  const clean = structuredClone(crd);
  pruneCrd(clean);
  return clean as unknown as Crd;
}

function nameErrors(crd: Crd): FieldError[] {
  const { names, group } = crd.spec;
  const name = crd.metadata.name ?? "";
  if (name === `${names?.plural ?? ""}.${group ?? ""}`) return [];
  return [invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group')];
}

function specErrors(spec: CrdSpec, old: CrdSpec | undefined): FieldError[] {
  return [
    ...groupErrors(spec.group ?? ""),
    ...scopeErrors(spec.scope ?? ""),
    ...versionsErrors(spec.versions ?? [], old),
    ...requiredNames(spec.names ?? {}),
    ...namesErrors(spec.names ?? {}, "spec.names"),
    ...conversionErrors(spec.conversion),
    ...preserveErrors(spec, old),
  ];
}

function groupErrors(group: string): FieldError[] {
  if (group === "") return [required("spec.group")];
  const problem = dns1123SubdomainProblem(group);
  if (problem !== undefined) return [invalidValue("spec.group", group, problem)];
  return group.includes(".") ? [] : [invalidValue("spec.group", group, "should be a domain with at least one dot")];
}

function scopeErrors(scope: string): FieldError[] {
  if (scope === "") return [required("spec.scope")];
  return ["Cluster", "Namespaced"].includes(scope)
    ? []
    : [notSupported("spec.scope", scope, ["Cluster", "Namespaced"])];
}

function versionsErrors(versions: readonly CrdVersion[], old: CrdSpec | undefined): FieldError[] {
  const errors = versions.flatMap((version, index) => {
    const path = indexPath("spec.versions", index);
    // What was accepted once stays acceptable: a stricter server must not lock out a CRD's other changes.
    const before = old?.versions?.find(({ name }) => name === version.name);
    const isKnown = before !== undefined && jsonEqual(before.schema, version.schema);
    const problem = dns1035LabelProblem(version.name ?? "");
    const name = problem === undefined ? [] : [invalidValue(childPath(path, "name"), version.name ?? "", problem)];
    return [...name, ...crdVersionErrors(version, path, { isSchemaKnown: isKnown })];
  });
  if (new Set(versions.map(({ name }) => name)).size < versions.length) {
    errors.push(invalidValue("spec.versions", versionNames(versions), "must contain unique version names"));
  }
  if (versions.filter(({ storage }) => storage === true).length !== 1) {
    const detail = "must have exactly one version marked as storage version";
    errors.push(invalidValue("spec.versions", versionNames(versions), detail));
  }
  return errors;
}

/** Upstream prints the whole versions here, schemas and all; the names say as much. */
const versionNames = (versions: readonly CrdVersion[]): readonly unknown[] =>
  versions.map(({ name, served, storage }) => ({ name, served: served ?? false, storage: storage ?? false }));

const requiredNames = (names: CrdNames): FieldError[] =>
  (["plural", "singular", "kind", "listKind"] as const)
    .filter((name) => (names[name] ?? "") === "")
    .map((name) => required(`spec.names.${name}`));

function namesErrors(names: CrdNames, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const check = (at: string, text: string, prefix = ""): void => {
    const problem = text === "" ? undefined : dns1035LabelProblem(prefix === "" ? text : text.toLowerCase());
    if (problem !== undefined) errors.push(invalidValue(childPath(path, at), text, `${prefix}${problem}`));
  };
  const mixed = "may have mixed case, but should otherwise match: ";
  check("plural", names.plural ?? "");
  check("singular", names.singular ?? "");
  check("kind", names.kind ?? "", mixed);
  check("listKind", names.listKind ?? "", mixed);
  names.shortNames?.forEach((name, i) => check(`shortNames[${i}]`, name));
  if ((names.kind ?? "") !== "" && names.kind === names.listKind) {
    errors.push(invalidValue(childPath(path, "listKind"), names.listKind, "kind and listKind may not be the same"));
  }
  names.categories?.forEach((name, i) => check(`categories[${i}]`, name));
  return errors;
}

function conversionErrors(conversion: CrdSpec["conversion"]): FieldError[] {
  if (conversion === undefined) return [];
  const { strategy } = conversion;
  if (strategy === undefined || strategy === "") return [required("spec.conversion.strategy")];
  if (strategy === "Webhook") {
    const detail = "conversion webhooks are not supported by this server: use None, which changes apiVersion only";
    return [invalidValue("spec.conversion.strategy", strategy, detail)];
  }
  if (strategy !== "None") return [notSupported("spec.conversion.strategy", strategy, ["None"])];
  if (conversion.webhook === undefined) return [];
  const message = "Forbidden: should not be set when strategy is not set to Webhook";
  return [{ reason: "FieldValueForbidden", field: "spec.conversion.webhook", message }];
}

function preserveErrors(spec: CrdSpec, old: CrdSpec | undefined): FieldError[] {
  if (spec.preserveUnknownFields !== true || old?.preserveUnknownFields === true) return [];
  const detail =
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
  return [invalidValue("spec.preserveUnknownFields", true, detail)];
}

function immutableErrors(spec: CrdSpec, old: Crd): FieldError[] {
  const isEstablished = old.status?.conditions?.some((c) => c.type === "Established" && c.status === "True") === true;
  const established: readonly Change[] = [
    { path: "spec.scope", now: spec.scope, before: old.spec.scope },
    { path: "spec.names.kind", now: spec.names?.kind, before: old.spec.names?.kind },
  ];
  const always: readonly Change[] = [
    { path: "spec.group", now: spec.group, before: old.spec.group },
    { path: "spec.names.plural", now: spec.names?.plural, before: old.spec.names?.plural },
  ];
  return [...(isEstablished ? established : []), ...always]
    .filter(({ now, before }) => now !== before)
    .map(({ path, now }) => invalidValue(path, now ?? "", "field is immutable"));
}

interface Change {
  readonly path: string;
  readonly now: string | undefined;
  readonly before: string | undefined;
}

/** A CRD that was just created has no status yet: its first stored version is recorded with it. */
function storedVersionErrors(crd: Crd): FieldError[] {
  const stored = crd.status?.storedVersions;
  const path = "status.storedVersions";
  if (stored === undefined) return [];
  if (stored.length === 0) return [invalidValue(path, stored, "must have at least one stored version")];
  const versions = crd.spec.versions ?? [];
  const missing = versions
    .filter(({ name, storage }) => storage === true && !stored.includes(name ?? ""))
    .map(({ name }) => invalidValue(path, stored, `must have the storage version ${name}`));
  const gone = stored.flatMap((name, i) => {
    if (versions.some((version) => version.name === name)) return [];
    const detail = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    return [invalidValue(indexPath(path, i), name, detail)];
  });
  return [...missing, ...gone];
}

const APPROVED = "api-approved.kubernetes.io";
const APPROVAL_SEE = "see https://github.com/kubernetes/enhancements/pull/1111";

/** Groups of the Kubernetes community need a reference to their API review. */
function approvalErrors(crd: Crd, old: Crd | undefined): FieldError[] {
  const group = crd.spec.group ?? "";
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(group);
  const state = approvalOf(crd);
  if (!isProtected || state === "approved" || (old !== undefined && approvalOf(old) === state)) return [];
  const path = `metadata.annotations[${APPROVED}]`;
  const need = `protected groups must have approval annotation "${APPROVED}"`;
  if (state === "missing") return [required(path, `${need}, ${APPROVAL_SEE}`)];
  const detail = `${need} with either a URL or a reason starting with "unapproved", ${APPROVAL_SEE}`;
  return [invalidValue(path, crd.metadata.annotations?.[APPROVED], detail)];
}

function approvalOf(crd: Crd): "approved" | "missing" | "invalid" {
  const text = crd.metadata.annotations?.[APPROVED] ?? "";
  if (text === "") return "missing";
  return text.startsWith("unapproved") || /^[a-z]+:\/\/[^/]+/i.test(text) ? "approved" : "invalid";
}
