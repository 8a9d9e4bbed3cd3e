import { ApiError } from "../status.ts";
import type { FieldSet } from "./field-set.ts";
import { difference, displayPaths, intersection, isEmpty } from "./field-set.ts";
import type { Manager, Managers } from "./managers.ts";

export interface Conflict {
  readonly manager: Manager;
  readonly set: FieldSet;
}

/** Fields that others own and `changed` would change. `allowed` are fields that may be taken all the same. */
export function findConflicts(managers: Managers, own: string, changed: FieldSet, allowed: FieldSet): Conflict[] {
  return [...managers]
    .filter(([key]) => key !== own)
    .map(([, manager]) => ({ manager, set: difference(intersection(manager.set, changed), allowed) }))
    .filter(({ set }) => !isEmpty(set))
    .sort((a, b) => (display(a.manager) < display(b.manager) ? -1 : 1));
}

/** 409 with one FieldManagerConflict cause for each field, in the words that kubectl shows. */
export function conflictError(conflicts: readonly Conflict[]): ApiError {
  const causes = conflicts.flatMap(({ manager, set }) =>
    displayPaths(set).map((field) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${display(manager)}`,
      field,
    })),
  );
  return new ApiError("Conflict", message(conflicts, causes), { details: { causes } });
}

function message(conflicts: readonly Conflict[], causes: readonly { message: string; field: string }[]): string {
  const [only, another] = causes;
  if (only !== undefined && another === undefined)
    return `Apply failed with 1 conflict: ${only.message}: ${only.field}`;
  const byManager = conflicts.map(({ manager, set }) =>
    [`conflicts with ${display(manager)}:`, ...displayPaths(set).map((path) => `- ${path}`)].join("\n"),
  );
  return `Apply failed with ${causes.length} conflicts: ${byManager.join("\n")}`;
}

/**
 * As kube-apiserver shows a manager, without the time of its write: `"kubectl-edit" using apps/v1`, `"other"`, `"controller"
 * with subresource "status" using example.com/v1`.
 */
function display({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager) + (subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}
