import type { KubeObject } from "../../machinery/object.ts";
import { badRequest } from "../status.ts";
import { asObject, settle } from "./body.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";
import { parseWriteOptions } from "./options.ts";
import { trackManager } from "./track.ts";
import { writeExisting } from "./write-existing.ts";

/** PATCH of the object or of one of its subresources. */
export async function patch(context: VerbContext, call: ApiCall): Promise<Reply> {
  const options = parseWriteOptions("PatchOptions", call.query, call.userAgent);
  if (options.force !== undefined) throw badRequest("force may be set for apply patches only");
  const body = JSON.parse((await call.body()).toString("utf8"));
  const object = await writeExisting(context, call, {
    dryRun: options.dryRun,
    change(live) {
      const patched = asObject(call, merge(structuredClone(live), body));
      settle(call, patched, options.fieldValidation, []);
      return patched;
    },
    track: (live, updated) => trackManager(context, call, live, updated, options.fieldManager),
  });
  return { kind: "object", code: 200, object };
}

function merge(live: unknown, change: unknown): unknown {
  if (typeof change !== "object" || change === null || Array.isArray(change)) return change;
  const result = (typeof live === "object" && live !== null && !Array.isArray(live) ? live : {}) as KubeObject;
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}
