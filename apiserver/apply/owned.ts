import type { Json, JsonObject, KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { ResetFields } from "./types.ts";

/** What nobody owns: identity, and what only the server writes. */
const UNOWNED_METADATA = new Set([
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "selfLink",
  "managedFields",
]);

/** The part of an object that can be owned through an endpoint. Branches are shared with the object. */
export function ownedPart(object: KubeObject | undefined, resetFields: ResetFields): JsonObject {
  const owned: JsonObject = {};
  for (const [field, value] of Object.entries(object ?? {})) {
    if (field === "apiVersion" || field === "kind" || field === "metadata") continue;
    if ((field === "status") === (resetFields === "all-but-status") || resetFields === "none")
      owned[field] = value as Json;
  }
  // Present even when empty: metadata itself is never owned.
  if (resetFields !== "all-but-status") owned.metadata = ownedMetadata(object?.metadata);
  return owned;
}

function ownedMetadata(metadata: ObjectMeta | undefined): JsonObject {
  const owned: JsonObject = {};
  for (const [name, value] of Object.entries(metadata ?? {})) {
    if (!UNOWNED_METADATA.has(name)) owned[name] = value as Json;
  }
  return owned;
}

/** The rest of the metadata: what ownedPart leaves out. */
export function unownedMetadata(metadata: ObjectMeta): ObjectMeta {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => UNOWNED_METADATA.has(name)));
}
