import type { SchemaNode } from "../schema/types.ts";

const text = (description: string): SchemaNode => ({ type: "string", description });
const time = (description: string): SchemaNode => ({ type: "string", format: "date-time", description });
const texts = (description: string): SchemaNode => ({
  type: "object",
  description,
  additionalProperties: { type: "string", default: "" },
});

const ownerReference: SchemaNode = {
  type: "object",
  description: "Names an object that this one belongs to: when that goes, so does this.",
  required: ["apiVersion", "kind", "name", "uid"],
  properties: {
    apiVersion: text("API version of the owner."),
    kind: text("Kind of the owner."),
    name: text("Name of the owner."),
    uid: text("UID of the owner."),
    controller: { type: "boolean", description: "True for the one owner that manages this object." },
    blockOwnerDeletion: {
      type: "boolean",
      description: "True: a foreground deletion of the owner waits until this object is gone.",
    },
  },
  "x-kubernetes-map-type": "atomic",
};

const managedFieldsEntry: SchemaNode = {
  type: "object",
  description: "The fields that one manager has set.",
  properties: {
    manager: text("Name of the manager."),
    operation: text("Apply or Update."),
    apiVersion: text("Version of the object in which the fields are named."),
    time: time("When the manager last changed its fields."),
    fieldsType: text("FieldsV1."),
    fieldsV1: { type: "object", description: "The set of fields." },
    subresource: text("Subresource through which the fields were set; empty for the object itself."),
  },
};

/** metav1.ObjectMeta, for documentation and for clients that validate before they send. */
export const OBJECT_META: SchemaNode = {
  type: "object",
  description: "What all objects have: names, labels, owners and what the server keeps about them.",
  properties: {
    name: text("Unique in its namespace and kind; cannot be changed."),
    generateName: text("Prefix of a unique name that the server makes when there is no name."),
    namespace: text("The namespace; cannot be changed."),
    uid: text("Unique in time and space; set by the server."),
    resourceVersion: text("Changes with every write; for optimistic locking and watches."),
    generation: { type: "integer", format: "int64", description: "Grows with every change of what is wanted." },
    creationTimestamp: time("When the server made the object."),
    deletionTimestamp: time("Set once the object is being deleted; it goes when its finalizers are gone."),
    deletionGracePeriodSeconds: { type: "integer", format: "int64", description: "Seconds until it may go." },
    labels: texts("Keys and values by which objects are selected."),
    annotations: texts("Keys and values that tools keep here."),
    finalizers: {
      type: "array",
      description: "What must be done before the object may go.",
      items: { type: "string", default: "" },
      "x-kubernetes-list-type": "set",
    },
    ownerReferences: {
      type: "array",
      description: "Objects that this one belongs to.",
      items: ownerReference,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["uid"],
    },
    managedFields: {
      type: "array",
      description: "Who has set which fields; kept by the server.",
      items: managedFieldsEntry,
      "x-kubernetes-list-type": "atomic",
    },
    selfLink: text("Deprecated: always empty."),
  },
};

export const LIST_META: SchemaNode = {
  type: "object",
  description: "What all lists have.",
  properties: {
    resourceVersion: text("The revision that the list shows."),
    continue: text("Token for the next page; empty on the last one."),
    remainingItemCount: { type: "integer", format: "int64", description: "Objects behind this page." },
    selfLink: text("Deprecated: always empty."),
  },
};

export const DELETE_OPTIONS: SchemaNode = {
  type: "object",
  description: "How an object is deleted.",
  properties: {
    apiVersion: text("v1."),
    kind: text("DeleteOptions."),
    dryRun: { type: "array", description: "All: do everything but the deletion.", items: { type: "string" } },
    gracePeriodSeconds: { type: "integer", format: "int64", description: "Of no effect on the kinds served here." },
    orphanDependents: { type: "boolean", description: "Deprecated: use propagationPolicy." },
    propagationPolicy: text("Orphan, Background or Foreground."),
    preconditions: {
      type: "object",
      description: "What must be true of the object.",
      properties: { uid: text("Its UID."), resourceVersion: text("Its resourceVersion.") },
    },
  },
};
