import type { FieldError } from "../status.ts";
import { pruneShape, type Shape, shapeError, shapeProblem } from "./shape.ts";

const struct = (name: string, fields: Readonly<Record<string, Shape>>): Shape => ({ struct: name, fields });

/** metav1.ObjectMeta. */
export const OBJECT_META: Shape = struct("v1.ObjectMeta", {
  name: "string",
  generateName: "string",
  namespace: "string",
  selfLink: "string",
  uid: "string",
  resourceVersion: "string",
  generation: "integer",
  creationTimestamp: "time",
  deletionTimestamp: "time",
  deletionGracePeriodSeconds: "integer",
  labels: { map: "string" },
  annotations: { map: "string" },
  finalizers: { list: "string" },
  ownerReferences: {
    list: struct("v1.OwnerReference", {
      apiVersion: "string",
      kind: "string",
      name: "string",
      uid: "string",
      controller: "boolean",
      blockOwnerDeletion: "boolean",
    }),
  },
  managedFields: {
    list: struct("v1.ManagedFieldsEntry", {
      manager: "string",
      operation: "string",
      apiVersion: "string",
      time: "time",
      fieldsType: "string",
      fieldsV1: "json",
      subresource: "string",
    }),
  },
});

/** Drops unknown and null fields of `parent.metadata` in place; unknown ones are added to `dropped`. */
export function pruneObjectMeta(parent: Record<string, unknown>, path: string, dropped: string[]): void {
  if (parent["metadata"] === null) parent["metadata"] = {};
  pruneShape(parent["metadata"], OBJECT_META, path, dropped);
}

/** The first field of `metadata` that cannot be read as metav1.ObjectMeta. */
export const metadataShapeError = (metadata: unknown, path: string): FieldError | undefined =>
  shapeError(metadata, OBJECT_META, path);

/**
 * Why an object's metadata cannot be read, or undefined. A kube-apiserver answers 400 with the text before it looks at
 * anything else of the object.
 */
export const malformedMetadata = (metadata: unknown): string | undefined =>
  shapeProblem(metadata, OBJECT_META, "metadata");
