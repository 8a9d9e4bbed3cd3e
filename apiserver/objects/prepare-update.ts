import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";
import { conflict, type FieldError, invalid, OBJECT_MODIFIED } from "../status.ts";
import type { ApiCall } from "../verbs/call.ts";
import { jsonEqual } from "./equal.ts";
import { nameOf } from "./key.ts";
import { finalizerWarnings, validateMetadata, validateMetadataUpdate } from "./validate-metadata.ts";

/**
 * Turns what the client sent into what is stored next, in place: `updated` has been pruned and defaulted, `live` is
 * what is there now in the same version. Throws ApiError.
 */
export function prepareForUpdate(call: ApiCall, updated: KubeObject, live: KubeObject): void {
  checkPreconditions(call, updated, live);
  const { resource, info } = call;
  const errors: FieldError[] = validateMetadataUpdate(updated.metadata, live.metadata);
  if (errors.length > 0) throw invalid(resource, nameOf(live), errors);
  keepServerFields(updated.metadata, live.metadata);
  if (info.subresource === "status") keepAllButStatus(updated, live);
  else if (info.subresource !== "") keepMetadata(updated, live);
  else if (resource.status) keep(updated, live, "status");
  if (resource.builtin) checkSchema(resource, updated, live);
  const isChecked = resource.builtin && !runStrategy(call, updated, live);
  bumpGeneration(call, updated, live);
  for (const warning of finalizerWarnings(updated, live.metadata.finalizers ?? [])) call.warn(warning);
  errors.push(
    ...validateMetadata(updated, resource),
    ...(isChecked ? [] : resource.compiled.validate(updated, live)),
    ...(resource.strategy.validate?.(updated, live) ?? []),
  );
  if (errors.length > 0) throw invalid(resource, nameOf(live), errors);
}

/** `uid` and `resourceVersion` of the body must be those of what is there. */
export function checkPreconditions(call: ApiCall, updated: KubeObject, live: KubeObject): void {
  const { uid, resourceVersion } = updated.metadata;
  if (uid !== undefined && uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid ?? ""}`;
    throw conflict(call.resource, nameOf(live), why);
  }
  if (resourceVersion !== undefined && resourceVersion !== "0" && resourceVersion !== live.metadata.resourceVersion) {
    throw conflict(call.resource, nameOf(live), OBJECT_MODIFIED);
  }
}

const SERVER_FIELDS = [
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
  "resourceVersion",
  "namespace",
  "name",
  "generateName",
] as const satisfies readonly (keyof ObjectMeta)[];

function keepServerFields(updated: ObjectMeta, live: ObjectMeta): void {
  for (const field of SERVER_FIELDS) keep(updated, live, field);
  delete (updated as Record<string, unknown>)["selfLink"];
}

function keep<T extends object>(updated: T, live: T, field: keyof T): void {
  if (live[field] === undefined) delete updated[field];
  else updated[field] = live[field];
}

function keepAllButStatus(updated: KubeObject, live: KubeObject): void {
  for (const field of Object.keys({ ...updated, ...live })) {
    if (field !== "status" && field !== "metadata") keep(updated, live, field);
  }
  keepMetadata(updated, live);
}

/** A subresource writes no metadata; managedFields are still tracked. */
function keepMetadata(updated: KubeObject, live: KubeObject): void {
  const { managedFields } = updated.metadata;
  updated.metadata = { ...live.metadata };
  if (managedFields !== undefined) updated.metadata.managedFields = managedFields;
}

/** False: there is none, nothing has been changed. */
function runStrategy({ resource, info, user }: ApiCall, updated: KubeObject, live: KubeObject): boolean {
  const { strategy, custom } = resource;
  const { subresource } = info;
  if (subresource === "") strategy.prepareForUpdate?.(updated, live, user);
  else if (subresource === "status") strategy.prepareForStatusUpdate?.(updated, live, user);
  else custom[subresource]?.prepareForUpdate(updated, live, user);
  if (subresource === "") return strategy.prepareForUpdate !== undefined;
  return subresource === "status" ? strategy.prepareForStatusUpdate !== undefined : custom[subresource] !== undefined;
}

/** Grows when anything but metadata, and but the status of a kind with that subresource, has changed. */
function bumpGeneration({ resource }: ApiCall, updated: KubeObject, live: KubeObject): void {
  const { generation } = live.metadata;
  if (generation === undefined) return;
  const ignored = new Set(["metadata", "apiVersion", "kind", ...(resource.status ? ["status"] : [])]);
  const fields = Object.keys({ ...updated, ...live }).filter((field) => !ignored.has(field));
  if (!fields.every((field) => jsonEqual(updated[field], live[field]))) updated.metadata.generation = generation + 1;
}

/** Strategies of built-in kinds rely on the types of the fields. Throws Invalid. */
export function checkSchema(resource: Resource, object: KubeObject, live: KubeObject | undefined): void {
  const errors = resource.compiled.validate(object, live);
  if (errors.length > 0) throw invalid(resource, nameOf(object), errors);
}
