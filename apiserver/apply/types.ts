import type { KubeObject, ManagedFieldsEntry } from "../../machinery/object.ts";
import type { SchemaNode } from "../schema/types.ts";

/** Who writes, and how: the key of a managedFields entry. */
export interface FieldWriter {
  readonly manager: string;
  readonly apiVersion: string;
  /** Empty for the main resource. */
  readonly subresource: string;
  /** metav1.Time; taken over only when the entry's fields change. */
  readonly time: string;
}

/**
 * Whether objects of the kind can still be asked for in this version. Entries of versions that cannot are dropped by the
 * next write: what their paths mean nobody can say any more (as upstream, where conversion fails for them).
 */
export type IsServed = (apiVersion: string) => boolean;

export interface ApplyRequest {
  /** `undefined`: the object does not exist, apply creates it. */
  readonly live: KubeObject | undefined;
  readonly applied: KubeObject;
  readonly writer: FieldWriter;
  readonly force: boolean;
  /** Schema of the version in which live and applied stand. */
  readonly schema: SchemaNode;
  /** Fields that this endpoint ignores, as paths (`status`, or everything but `status`). */
  readonly resetFields: ResetFields;
  readonly isServed: IsServed;
}

/** Which fields an endpoint does not write: apply neither owns nor changes them. */
export type ResetFields = "none" | "status" | "all-but-status";

/**
 * `apply/server-side.ts`. The merged object with its new managedFields. Throws ApiError: Conflict with one
 * FieldManagerConflict cause for each field, BadRequest for a malformed request. Gives the live object as it was,
 * times included, when nothing changes. The result shares no structure with the arguments but the `fieldsV1` of
 * entries that stay the same.
 */
export type ServerSideApply = (request: ApplyRequest) => KubeObject;

/**
 * `apply/managed-fields.ts`. The managedFields after an update, create or patch that turned `old` into `updated`
 * (operation Update). Entries keep their time when nothing they own changed.
 */
export type TrackUpdate = (change: {
  readonly old: KubeObject | undefined;
  readonly updated: KubeObject;
  readonly writer: FieldWriter;
  readonly schema: SchemaNode;
  readonly resetFields: ResetFields;
  readonly isServed: IsServed;
}) => ManagedFieldsEntry[];
