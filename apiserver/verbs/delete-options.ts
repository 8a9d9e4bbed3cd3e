import { isObject as isRecord } from "../schema/field-error.ts";
import { badRequest } from "../status.ts";
import { invalidOptions, parseDryRun } from "./options.ts";

export type Propagation = "Orphan" | "Background" | "Foreground";

/** metav1.DeleteOptions, as far as they matter here. */
export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly preconditions: { readonly uid?: string; readonly resourceVersion?: string };
  /** `undefined`: by the object's finalizers, else by the resource's default. */
  readonly propagation: Propagation | undefined;
}

const POLICIES: readonly Propagation[] = ["Orphan", "Background", "Foreground"];

/** Options stand in the body, or in the query when there is none. Throws BadRequest or Invalid. */
export function parseDeleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  if (body !== undefined && !isRecord(body)) throw badRequest("the body must be an object of kind DeleteOptions");
  const kind = body?.["kind"];
  if (kind !== undefined && kind !== "" && kind !== "DeleteOptions") {
    throw badRequest(`the body must be of kind DeleteOptions, found ${JSON.stringify(kind)}`);
  }
  const dryRun = body?.["dryRun"] ?? query.getAll("dryRun");
  return {
    dryRun: parseDryRun("DeleteOptions", Array.isArray(dryRun) ? dryRun : [dryRun]),
    preconditions: parsePreconditions(body?.["preconditions"]),
    propagation: parsePropagation(
      body?.["orphanDependents"] ?? query.get("orphanDependents") ?? undefined,
      body?.["propagationPolicy"] ?? query.get("propagationPolicy") ?? undefined,
    ),
  };
}

function parsePreconditions(value: unknown): DeleteOptions["preconditions"] {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw badRequest("preconditions must be an object with uid and resourceVersion");
  const { uid, resourceVersion } = value;
  for (const [field, given] of Object.entries({ uid, resourceVersion })) {
    if (given !== undefined && given !== null && typeof given !== "string") {
      throw badRequest(`preconditions.${field} must be a string, found ${JSON.stringify(given)}`);
    }
  }
  return {
    ...(typeof uid === "string" ? { uid } : {}),
    ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
  };
}

function parsePropagation(orphan: unknown, policy: unknown): Propagation | undefined {
  const hasOrphan = orphan !== undefined && orphan !== null;
  const hasPolicy = policy !== undefined && policy !== null && policy !== "";
  if (hasOrphan && hasPolicy) {
    const text = "Invalid value: orphanDependents and deletionPropagation cannot be both set";
    throw invalidOptions("DeleteOptions", "propagationPolicy", text, "FieldValueInvalid");
  }
  if (hasOrphan) return orphan === true || orphan === "true" || orphan === "1" ? "Orphan" : "Background";
  if (!hasPolicy) return undefined;
  const known = POLICIES.find((each) => each === policy);
  if (known !== undefined) return known;
  const text = `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan", "nil"`;
  throw invalidOptions("DeleteOptions", "propagationPolicy", text, "FieldValueNotSupported");
}
