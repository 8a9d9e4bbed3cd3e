import { done, type Reconcile } from "../../machinery/result.ts";
import type { ObjectAccess, Reconciled } from "../object-access.ts";
import { ready, runPass, waiting } from "../pass.ts";

/** An object that lies where another one lies: a Snapshot with its Volume, a VolumeGroup with its Mirror. */
export interface Follower<T extends Reconciled> {
  readonly objects: ObjectAccess<T>;
  /** Host of what it follows; `missing`: why there is none; `undefined`: this object follows nothing. */
  readonly hostOf: (object: T) => { readonly hostName: string } | { readonly missing: string } | undefined;
}

/**
 * Writes `status.hostName`, by which agents know what is theirs. Until there is a host, nobody else reports: then this
 * says in Ready what is missing.
 */
export function hostBindingReconciler<T extends Reconciled>({ objects, hostOf }: Follower<T>): Reconcile {
  return async (context, request) => {
    const object = objects.get(request);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return done;
    const found = hostOf(object);
    if (found === undefined) return done;
    const was = (object.status as { readonly hostName?: string } | undefined)?.hostName;
    if ("missing" in found) {
      // What was bound stays bound: its agent says what it sees.
      if (was !== undefined) return done;
      return runPass(context, objects, object, async () => waiting<T>("NoHost", found.missing));
    }
    const fields = { hostName: found.hostName } as unknown as NonNullable<Parameters<typeof waiting<T>>[2]>;
    const conditions = was === undefined ? [ready("Unknown", "Bound", `${found.hostName} has not reported yet`)] : [];
    return runPass(context, objects, object, async () => ({ fields, conditions }));
  };
}
