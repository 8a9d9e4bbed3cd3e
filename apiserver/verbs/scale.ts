import type { Json, KubeObject } from "../../machinery/object.ts";
import { decodeBody } from "../codec/body.ts";
import { bodyType } from "../codec/media-type.ts";
import { objectKey } from "../objects/key.ts";
import { asPresented, present } from "../objects/present.ts";
import { SCALE, SCALE_COLUMNS, toScale, validateScale, withScale } from "../objects/scale.ts";
import type { ScalePaths } from "../registry/types.ts";
import { invalid, notFound } from "../status.ts";
import { asObjectOf } from "./body.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";
import { readStored } from "./get.ts";
import { parseWriteOptions } from "./options.ts";
import { readPatch } from "./patch-body.ts";
import { trackManager } from "./track.ts";
import { writeExisting } from "./write-existing.ts";

/** GET, PUT and PATCH of `…/scale`: the same object seen as autoscaling/v1 Scale. */
export async function scale(context: VerbContext, call: ApiCall, paths: ScalePaths): Promise<Reply> {
  if (call.info.verb === "get") return answer(paths, await readLive(context, call));
  const kind = call.info.verb === "update" ? "UpdateOptions" : "PatchOptions";
  const options = parseWriteOptions(kind, call.query, call.userAgent);
  const change = call.info.verb === "update" ? await replaced(call) : await patched(call);
  const written = await writeExisting(context, call, {
    dryRun: options.dryRun,
    change(live) {
      const wanted = change(toScale(paths, live));
      const errors = validateScale(wanted);
      if (errors.length > 0) throw invalid(SCALE, call.info.name, errors);
      return withScale(call.resource, paths, live, wanted);
    },
    track: (live, updated) => trackManager(context, call, live, updated, options.fieldManager),
  });
  return answer(paths, written.object);
}

const answer = (paths: ScalePaths, object: KubeObject): Reply => ({
  kind: "object",
  code: 200,
  object: asPresented(toScale(paths, object)),
  columns: SCALE_COLUMNS,
});

async function readLive(context: VerbContext, { resource, info }: ApiCall): Promise<KubeObject> {
  const stored = await readStored(context, resource, objectKey(resource, info.namespace, info.name));
  if (stored === undefined) throw notFound(resource, info.name);
  return present(resource, stored).object;
}

async function replaced(call: ApiCall): Promise<(current: KubeObject) => KubeObject> {
  const type = bodyType(call.contentType, { protobuf: true });
  const wanted = asObjectOf(SCALE, decodeBody(await call.body(), type, SCALE).object);
  return () => wanted;
}

async function patched(call: ApiCall): Promise<(current: KubeObject) => KubeObject> {
  const { apply } = await readPatch(call, { strategic: true, schema: {} });
  return (current) => asObjectOf(SCALE, apply(current as unknown as Record<string, Json>));
}
