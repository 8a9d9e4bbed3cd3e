import type { KubeObject } from "../../machinery/object.ts";
import { cloneJson } from "../apply/json-value.ts";
import { serverSideApply } from "../apply/server-side.ts";
import { decodeApplyPatch, strictDecodingError } from "../codec/body.ts";
import { objectKey } from "../objects/key.ts";
import { ApiError, badRequest, conflict, notFound } from "../status.ts";
import { asObject, settle } from "./body.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";
import { createObject } from "./create.ts";
import { readStored } from "./get.ts";
import { invalidOptions, type WriteOptions } from "./options.ts";
import { fieldWriter, resetFieldsOf, servedVersions } from "./track.ts";
import { writeExisting } from "./write-existing.ts";

/** Server-side apply: merges what one manager wants into what is there; makes the object when it is not. */
export async function apply(context: VerbContext, call: ApiCall, options: WriteOptions): Promise<Reply> {
  if ((call.query.get("fieldManager") ?? "") === "") {
    const text = "Required value: is required for apply patch";
    throw invalidOptions("PatchOptions", "fieldManager", text, "FieldValueRequired");
  }
  const { object, strictErrors } = decodeApplyPatch(await call.body());
  const applied = asObject(call, object);
  if (applied.metadata.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
  if (strictErrors.length > 0 && options.fieldValidation === "Strict") {
    throw strictDecodingError(call.resource, strictErrors);
  }
  dropUnknown(call, applied, options, strictErrors);
  const key = objectKey(call.resource, call.info.namespace, call.info.name);
  const known = context.caches.peek(call.resource)?.get(key) !== undefined;
  if (!known && (await readStored(context, call.resource, key)) === undefined)
    return applyNew(context, call, applied, options);
  try {
    return await applyOver(context, call, applied, options);
  } catch (error) {
    // Memory was late: the object has gone since.
    if (known && error instanceof ApiError && error.reason === "NotFound")
      return applyNew(context, call, applied, options);
    throw error;
  }
}

/** Only a field that the schema knows can be owned; defaults are not the applier's and stay out. */
function dropUnknown(call: ApiCall, applied: KubeObject, options: WriteOptions, duplicates: readonly string[]): void {
  const { resource, warn } = call;
  const bare = { ...resource, compiled: { ...resource.compiled, applyDefaults: () => {} } };
  settle({ resource: bare, warn }, applied, options.fieldValidation, duplicates);
}

async function applyNew(
  context: VerbContext,
  call: ApiCall,
  applied: KubeObject,
  options: WriteOptions,
): Promise<Reply> {
  const { resource, info } = call;
  if (info.subresource !== "") throw notFound(resource, info.name);
  const { uid } = applied.metadata;
  if (uid !== undefined) {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(resource, info.name, why);
  }
  const object = mergeApplied(context, call, undefined, applied, options);
  resource.compiled.applyDefaults(object);
  // The fields are owned by the merge; what the server fills in belongs to nobody.
  const created = await createObject(context, call, object, options, () => {});
  return { kind: "object", code: 201, object: created };
}

async function applyOver(
  context: VerbContext,
  call: ApiCall,
  applied: KubeObject,
  options: WriteOptions,
): Promise<Reply> {
  const object = await writeExisting(context, call, {
    dryRun: options.dryRun,
    change(live) {
      const merged = mergeApplied(context, call, live, applied, options);
      call.resource.compiled.applyDefaults(merged);
      return merged;
    },
    track: () => {},
  });
  return { kind: "object", code: 200, object };
}

function mergeApplied(
  context: VerbContext,
  call: ApiCall,
  live: KubeObject | undefined,
  applied: KubeObject,
  options: WriteOptions,
): KubeObject {
  const merged = serverSideApply({
    live,
    applied,
    writer: fieldWriter(context, call, options.fieldManager),
    force: options.force === true,
    schema: call.resource.schema,
    resetFields: resetFieldsOf(call),
    isServed: servedVersions(context, call),
  });
  // What is there may be shared by all readers.
  return cloneJson(merged);
}
