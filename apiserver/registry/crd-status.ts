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
  const problem = nameConflict(crd, registry);
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
    acceptedNames: problem === undefined ? crd.spec.names : (old.acceptedNames ?? { plural: "", kind: "" }),
    storedVersions: storedVersions(crd),
  };
}

/** Every version that objects may stand in: the list only grows, clients shorten it after a migration. */
function storedVersions({ spec, status }: CustomResourceDefinition): string[] {
  const before = status?.storedVersions ?? [];
  const current = spec.versions.find(({ storage }) => storage)?.name;
  return current === undefined || before.includes(current) ? before : [...before, current];
}

interface NameConflict {
  readonly reason: string;
  readonly message: string;
}

/** A name that another kind of the same group has already. */
function nameConflict({ spec }: CustomResourceDefinition, registry: Registry): NameConflict | undefined {
  const others = registry.all().filter(({ group, plural }) => group === spec.group && plural !== spec.names.plural);
  const taken = new Set(others.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]));
  const kinds = new Set(others.flatMap(({ kind, listKind }) => [kind, listKind]));
  return firstTaken(spec.names, taken, kinds);
}

function firstTaken(names: CrdNames, taken: ReadonlySet<string>, kinds: ReadonlySet<string>): NameConflict | undefined {
  const { plural, singular = "", shortNames = [], kind, listKind = "" } = names;
  const inUse = (reason: string, name: string): NameConflict => ({ reason, message: `"${name}" is already in use` });
  if (taken.has(plural)) return inUse("PluralConflict", plural);
  if (taken.has(singular)) return inUse("SingularConflict", singular);
  const short = shortNames.find((name) => taken.has(name));
  if (short !== undefined) return inUse("ShortNamesConflict", short);
  if (kinds.has(kind)) return inUse("KindConflict", kind);
  return kinds.has(listKind) ? inUse("ListKindConflict", listKind) : undefined;
}

export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status?.conditions?.some((condition) => condition.type === "Established" && condition.status === "True") === true;
