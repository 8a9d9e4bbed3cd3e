import { type Clock, formatTime } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";

const isNamespace = (resource: Resource): boolean => resource.group === "" && resource.plural === "namespaces";

/** True while something must still be done before the object may go. Namespaces also wait for `spec.finalizers`. */
export function hasFinalizers(resource: Resource, object: KubeObject): boolean {
  if ((object.metadata.finalizers ?? []).length > 0) return true;
  if (!isNamespace(resource)) return false;
  const { finalizers } = (object["spec"] ?? {}) as { finalizers?: readonly string[] };
  return (finalizers ?? []).length > 0;
}

/** Marks a new copy of `object` as being deleted; the generation grows once. */
export function markDeleted(resource: Resource, object: KubeObject, clock: Clock): KubeObject {
  if (object.metadata.deletionTimestamp !== undefined) return object;
  const metadata = {
    ...object.metadata,
    deletionTimestamp: formatTime(clock.now()),
    deletionGracePeriodSeconds: 0,
    ...(object.metadata.generation === undefined ? {} : { generation: object.metadata.generation + 1 }),
  };
  const marked: KubeObject = { ...object, metadata };
  if (isNamespace(resource)) marked["status"] = { ...(object["status"] as object), phase: "Terminating" };
  return marked;
}
