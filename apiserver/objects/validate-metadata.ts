import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { Resource } from "../registry/types.ts";
import { forbidden, invalidValue, required } from "../schema/field-error.ts";
import { dns1123SubdomainProblem, objectMetaErrors } from "../schema/meta-rules.ts";
import type { FieldError } from "../status.ts";

const STANDARD_FINALIZERS = new Set(["orphan", "foregroundDeletion", "kubernetes"]);

/** What is wrong with an object's metadata, beyond its types (apimachinery ValidateObjectMeta). */
export function validateMetadata(object: KubeObject, resource: Resource): FieldError[] {
  const { metadata } = object;
  const { name = "" } = metadata;
  const general = objectMetaErrors({ ...metadata }, "metadata");
  if (name === "") return [required("metadata.name", "name or generateName is required"), ...general];
  if (general.some(({ field }) => field === "metadata.name")) return general;
  const problem =
    resource.strategy.validateName === undefined ? dns1123SubdomainProblem(name) : resource.strategy.validateName(name);
  return problem === undefined ? general : [invalidValue("metadata.name", name, problem), ...general];
}

/** Warnings for new finalizers that are accepted but could clash with other people's. */
export function finalizerWarnings(object: KubeObject, before: readonly string[]): string[] {
  return (object.metadata.finalizers ?? [])
    .map((finalizer, index) => ({ finalizer, index }))
    .filter(({ finalizer }) => !finalizer.includes("/") && !STANDARD_FINALIZERS.has(finalizer))
    .filter(({ finalizer }) => !before.includes(finalizer))
    .map(
      ({ finalizer, index }) =>
        `metadata.finalizers[${index}]: "${finalizer}": prefer a domain-qualified finalizer name including a path (/) ` +
        "to avoid accidental conflicts with other finalizer writers",
    );
}

const IMMUTABLE = ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] as const;

/** What an update may not do to metadata (ValidateObjectMetaUpdate). Run before the server's own fields are filled in. */
export function validateMetadataUpdate(updated: ObjectMeta, old: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of IMMUTABLE) {
    const value = updated[field];
    if (value !== undefined && value !== null && value !== old[field]) {
      errors.push(invalidValue(`metadata.${field}`, value, "field is immutable"));
    }
  }
  if (old.deletionTimestamp !== undefined) errors.push(...newFinalizers(updated, old));
  return errors;
}

function newFinalizers(updated: ObjectMeta, old: ObjectMeta): FieldError[] {
  const before = new Set(old.finalizers);
  const added = (updated.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return [];
  const list = added.map((finalizer) => `"${finalizer}"`).join(", ");
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return [forbidden("metadata.finalizers", detail)];
}
