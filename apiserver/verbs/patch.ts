import type { Json, KubeObject } from "../../machinery/object.ts";
import { type PatchType, patchType } from "../codec/media-type.ts";
import { badRequest } from "../status.ts";
import { apply } from "./apply.ts";
import { asObject, settle } from "./body.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";
import { invalidOptions, parseWriteOptions } from "./options.ts";
import { readPatch } from "./patch-body.ts";
import { trackManager } from "./track.ts";
import { writeExisting } from "./write-existing.ts";

const APPLY: PatchType = "application/apply-patch+yaml";

/** PATCH of the object or of one of its subresources, by the Content-Type. */
export async function patch(context: VerbContext, call: ApiCall): Promise<Reply> {
  const { resource } = call;
  const options = parseWriteOptions("PatchOptions", call.query, call.userAgent);
  if (patchType(call.contentType, { strategic: resource.builtin }) === APPLY) return apply(context, call, options);
  if (options.force !== undefined) {
    const text = "Forbidden: may not be specified for non-apply patch";
    throw invalidOptions("PatchOptions", "force", text, "FieldValueForbidden");
  }
  const { apply: change, strictErrors } = await readPatch(call, {
    strategic: resource.builtin,
    schema: resource.schema,
  });
  const object = await writeExisting(context, call, {
    dryRun: options.dryRun,
    change(live) {
      const patched = asObject(call, change(asJson(live)));
      requireSameName(patched, live);
      settle(call, patched, options.fieldValidation, strictErrors);
      return patched;
    },
    track: (live, updated) => trackManager(context, call, live, updated, options.fieldManager),
  });
  return { kind: "object", code: 200, object };
}

/** Objects that were decoded are JSON through and through. */
const asJson = (object: KubeObject): Record<string, Json> => object as unknown as Record<string, Json>;

function requireSameName(patched: KubeObject, live: KubeObject): void {
  const { name = "" } = live.metadata;
  if (patched.metadata.name === name) return;
  throw badRequest(
    `the name of the object (${patched.metadata.name ?? ""}) does not match the name on the URL (${name})`,
  );
}
