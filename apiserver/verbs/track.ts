import type { KubeObject } from "../../machinery/object.ts";
import type { ApiCall, VerbContext } from "./call.ts";

/** Writes `updated.metadata.managedFields` for an operation Update by `manager`, in place. */
export function trackManager(
  _context: VerbContext,
  _call: ApiCall,
  _live: KubeObject | undefined,
  _updated: KubeObject,
  _manager: string,
): void {}
