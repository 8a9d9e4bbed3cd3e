import { CLEANUP_FINALIZER } from "../../crds/constants.ts";
import type { Host } from "../../crds/generated/host.ts";
import { done, type Reconcile } from "../../machinery/result.ts";
import type { ObjectAccess, ObjectReader, Reconciled } from "../object-access.ts";

export interface Departed<T extends Reconciled> {
  readonly objects: ObjectAccess<T>;
  readonly hosts: ObjectReader<Host>;
  /** The host whose agent cleans up after the object; `undefined`: none was found for it yet. */
  readonly hostOf: (object: T) => string | undefined;
}

/**
 * A host that was deleted owes nothing: what is being deleted does not wait for its agent any more. Whoever deletes a Host
 * says that nothing on it is of worth; a machine that comes back registers anew, and brings up only what the API asks of it.
 */
export function hostGoneReconciler<T extends Reconciled>({ objects, hosts, hostOf }: Departed<T>): Reconcile {
  return async (_, request) => {
    const object = objects.get(request);
    if (object?.metadata.deletionTimestamp === undefined) return done;
    if (!object.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return done;
    const hostName = hostOf(object);
    if (hostName === undefined || hosts.get({ namespace: "", name: hostName }) !== undefined) return done;
    objects.event(object, "Warning", "GivenUp", `Host ${hostName} was deleted: what it holds of this is given up`);
    await objects.removeFinalizer(object, CLEANUP_FINALIZER);
    return done;
  };
}
