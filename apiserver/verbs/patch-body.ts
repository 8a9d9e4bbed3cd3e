import type { Json, JsonObject } from "../../machinery/object.ts";
import { applyJsonPatch } from "../apply/json-patch.ts";
import { applyMergePatch } from "../apply/merge-patch.ts";
import { applyStrategicMergePatch } from "../apply/strategic-merge-patch.ts";
import { decodePatch } from "../codec/body.ts";
import { type PatchType, patchType } from "../codec/media-type.ts";
import type { SchemaNode } from "../schema/types.ts";
import { ApiError } from "../status.ts";
import type { ApiCall } from "./call.ts";

/** A patch that is worked into whatever the object is by then. */
export interface PatchBody {
  /** Returns a new object; throws ApiError when the patch does not fit. */
  readonly apply: (current: JsonObject) => JsonObject;
  readonly strictErrors: readonly string[];
}

/** Reads a JSON, merge or strategic merge patch. Throws UnsupportedMediaType, also for an apply patch, and BadRequest. */
export async function readPatch(
  call: ApiCall,
  target: { readonly strategic: boolean; readonly schema: SchemaNode },
): Promise<PatchBody> {
  const type = patchType(call.contentType, { strategic: target.strategic });
  const { patch, strictErrors } = decodePatch(await call.body());
  return { apply: (current) => APPLIERS[type](current, patch, target.schema), strictErrors };
}

type Applier = (current: JsonObject, patch: Json, schema: SchemaNode) => JsonObject;

const APPLIERS: Readonly<Record<PatchType, Applier>> = {
  "application/json-patch+json": applyJsonPatch,
  "application/merge-patch+json": applyMergePatch,
  "application/strategic-merge-patch+json": applyStrategicMergePatch,
  "application/apply-patch+yaml": () => {
    throw new ApiError("UnsupportedMediaType", "this endpoint takes no apply patches");
  },
};
