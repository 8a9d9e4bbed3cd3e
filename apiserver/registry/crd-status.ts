import { type Clock, formatTime } from "../../machinery/clock.ts";
import type { CrdCondition, CrdNames, CustomResourceDefinition } from "./custom-resources.ts";
import type { Registry } from "./registry.ts";

/** Held by every definition until its objects are gone. */
export const CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

/** Fills in the names that follow from the kind, in place. */
export function defaultNames(crd: CustomResourceDefinition): void {
  const { names } = crd.spec;
  names.singular ||= names.kind.toLowerCase();
  names.listKind ||= `${names.kind}List`;
  crd.spec.conversion ??= { strategy: "None" };
}

/**
 * The status that follows from the spec and from what other definitions have taken: NamesAccepted, and Established
 * once the names were accepted. Conditions keep their time while they stay as they are.
 */
export function crdStatus(
  crd: CustomResourceDefinition,
  registry: Registry,
  clock: Clock,
): NonNullable<CustomResourceDefinition["status"]> {
  const { accepted, conflict: problem } = claimNames(crd, registry);
  const old = crd.status ?? {};
  const now = formatTime(clock.now());
  const set = (type: string, status: "True" | "False", reason: string, message: string): CrdCondition => {
    const before = old.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
    return { lastTransitionTime, message, reason, status, type };
  };
  const wasEstablished =
    old.conditions?.some(({ type, status }) => type === "Established" && status === "True") === true;
  const names =
    problem === undefined
      ? set("NamesAccepted", "True", "NoConflicts", "no conflicts found")
      : set("NamesAccepted", "False", problem.reason, problem.message);
  const established =
    problem === undefined || wasEstablished
      ? set("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
      : set("Established", "False", "NotAccepted", "not all names are accepted");
  const others = (old.conditions ?? []).filter(({ type }) => type !== "NamesAccepted" && type !== "Established");
  return {
    ...old,
    conditions: [names, established, ...others],
    acceptedNames: accepted,
    storedVersions: storedVersions(crd),
  };
}

/** Every version that objects may stand in: the list only grows, clients shorten it after a migration. */
function storedVersions({ spec, status }: CustomResourceDefinition): string[] {
  const before = status?.storedVersions ?? [];
  const current = spec.versions.find(({ storage }) => storage)?.name;
  return current === undefined || before.includes(current) ? before : [...before, current];
}

interface NameClaim {
  /** What the kind asks for and nobody else has. */
  readonly accepted: Partial<CrdNames>;
  /** The last one found, as Kubernetes tells it; `undefined`: there is none. */
  readonly conflict: { readonly reason: string; readonly message: string } | undefined;
}

/** Judges each name against those that the other kinds of the same group have. */
function claimNames({ spec, status }: CustomResourceDefinition, registry: Registry): NameClaim {
  const others = registry.all().filter(({ group, plural }) => group === spec.group && plural !== spec.names.plural);
  const resources = new Set(others.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]));
  const kinds = new Set(others.flatMap(({ kind, listKind }) => [kind, listKind]));
  const { names } = spec;
  const accepted: Partial<CrdNames> = { plural: "", kind: "", ...status?.acceptedNames };
  let conflict: NameClaim["conflict"];
  const claim = (field: keyof CrdNames, taken: ReadonlySet<string>): void => {
    const used = [names[field] ?? []].flat().filter((name) => taken.has(name));
    if (used.length === 0) Object.assign(accepted, { [field]: names[field] });
    else conflict = { reason: CONFLICTS[field] ?? "", message: inUse(used) };
  };
  for (const field of ["plural", "singular", "shortNames"] as const) claim(field, resources);
  for (const field of ["kind", "listKind"] as const) claim(field, kinds);
  claim("categories", new Set());
  return { accepted: conflict === undefined ? names : accepted, conflict };
}

const CONFLICTS: Readonly<Partial<Record<keyof CrdNames, string>>> = {
  plural: "PluralConflict",
  singular: "SingularConflict",
  shortNames: "ShortNamesConflict",
  kind: "KindConflict",
  listKind: "ListKindConflict",
};

function inUse(names: readonly string[]): string {
  const texts = [...new Set(names)].map((name) => `"${name}" is already in use`);
  return texts.length === 1 ? texts.join() : `[${texts.join(", ")}]`;
}

export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status?.conditions?.some((condition) => condition.type === "Established" && condition.status === "True") === true;
