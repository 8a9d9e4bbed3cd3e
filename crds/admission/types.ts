import type { KubeObject } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";

/** One refused field, in the words of metav1.StatusCause. */
export interface FieldError {
  readonly reason:
    | "FieldValueInvalid"
    | "FieldValueRequired"
    | "FieldValueDuplicate"
    | "FieldValueForbidden"
    | "FieldValueNotFound";
  /** Path such as `spec.mirrorRef`; empty for the whole object. */
  readonly field: string;
  readonly message: string;
}

/** What is about to be done to one object of ours. */
export interface AdmissionRequest {
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  /** How it came: some objects may only be PUT. */
  readonly verb: "create" | "update" | "patch" | "apply" | "delete" | "deletecollection";
  readonly plural: string;
  readonly subresource: "" | "status";
  /** Absent on DELETE. */
  readonly object: KubeObject | undefined;
  /** Absent on CREATE. */
  readonly old: KubeObject | undefined;
  readonly user: { readonly name: string; readonly groups: readonly string[] };
}

/** The objects that rules look at besides the one asked for; one consistent view, read for this request. */
export interface Lister {
  /** All objects of a kind in all namespaces. */
  list<T>(type: ResourceType<T>): readonly T[];
}

/** A rule over more than one object, or over who asks: what a schema cannot say. Pure. */
export interface AdmissionRule {
  readonly name: string;
  /** Kinds whose requests it judges. */
  readonly kinds: readonly ResourceType[];
  /** Kinds that it looks at: what `Lister` must be able to give. */
  readonly reads: readonly ResourceType[];
  check(request: AdmissionRequest, lister: Lister): readonly FieldError[];
}

/** The object as its kind, when the request is about that kind and leaves an object behind. */
export function objectAs<T>(request: AdmissionRequest, type: ResourceType<T>): T | undefined {
  return request.plural === type.plural && request.object !== undefined ? (request.object as T) : undefined;
}

/** What was there before, as its kind. */
export function oldAs<T>(request: AdmissionRequest, type: ResourceType<T>): T | undefined {
  return request.plural === type.plural && request.old !== undefined ? (request.old as T) : undefined;
}

export const forbidden = (field: string, message: string): FieldError => ({
  reason: "FieldValueForbidden",
  field,
  message: `Forbidden: ${message}`,
});

export const invalid = (field: string, value: unknown, message: string): FieldError => ({
  reason: "FieldValueInvalid",
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${message}`,
});
