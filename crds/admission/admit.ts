import type { ResourceType } from "../../machinery/resource-type.ts";
import { oneWriter } from "./block-sources.ts";
import { hostPairDeletion, hostPairStatus } from "./host-pair.ts";
import { hostRule } from "./host-rule.ts";
import { importLoops } from "./imports.ts";
import { lastCopy } from "./last-copy.ts";
import { reservedNames, snapshotNames } from "./names.ts";
import { runRecord } from "./run-record.ts";
import type { AdmissionRequest, AdmissionRule, FieldError, Lister } from "./types.ts";

/** All rules, cheap ones first. */
export const ADMISSION_RULES: readonly AdmissionRule[] = [
  hostRule,
  reservedNames,
  hostPairStatus,
  hostPairDeletion,
  runRecord,
  snapshotNames,
  oneWriter,
  importLoops,
  lastCopy,
];

const rulesFor = (plural: string) =>
  ADMISSION_RULES.filter(({ kinds }) => kinds.some((kind) => kind.plural === plural));

/** Kinds that the rules for this one look at: read them, from the store and not a cache, before `admit`. */
export function admissionReads(plural: string): readonly ResourceType[] {
  return [...new Set(rulesFor(plural).flatMap(({ reads }) => reads))];
}

/**
 * Judges one request after the schema did; an empty list grants it. What rules judge together can change between two
 * requests that run at once, so the caller serialises writes of the kinds in `admissionReads`; agents check again.
 */
export function admit(request: AdmissionRequest, lister: Lister): readonly FieldError[] {
  return rulesFor(request.plural).flatMap((rule) => rule.check(request, lister));
}
