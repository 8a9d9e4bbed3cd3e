import { cloneJson } from "../apply/json-value.ts";
import { badRequest, invalid, notFound } from "../status.ts";
import { objectKey } from "../objects/key.ts";
import { readObject } from "./body.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";
import { createObject } from "./create.ts";
import { parseWriteOptions } from "./options.ts";
import { trackManager } from "./track.ts";
import { writeExisting } from "./write-existing.ts";

/** PUT of the object or of one of its subresources. */
export async function update(context: VerbContext, call: ApiCall): Promise<Reply> {
  const options = parseWriteOptions("UpdateOptions", call.query, call.userAgent);
  const { resource, info } = call;
  const body = await readObject(call, options.fieldValidation);
  if (info.name === "") throw badRequest("name must be provided");
  if (resource.strategy.allowCreateOnUpdate && info.subresource === "" && (await isAbsent(context, call))) {
    delete body.metadata.resourceVersion;
    const track = (object: typeof body) => trackManager(context, call, undefined, object, options.fieldManager);
    return { kind: "object", code: 201, object: await createObject(context, call, body, options, track) };
  }
  const unconditional = (body.metadata.resourceVersion ?? "0") === "0";
  if (unconditional && !resource.strategy.allowUnconditionalUpdate) {
    await requirePresent(context, call);
    throw versionRequired(call);
  }
  const object = await writeExisting(context, call, {
    dryRun: options.dryRun,
    change: () => cloneJson(body),
    track: (live, updated) => trackManager(context, call, live, updated, options.fieldManager),
  });
  return { kind: "object", code: 200, object };
}

async function isAbsent({ storage }: VerbContext, { resource, info }: ApiCall): Promise<boolean> {
  return (await storage.get(objectKey(resource, info.namespace, info.name))).stored === undefined;
}

async function requirePresent(context: VerbContext, call: ApiCall): Promise<void> {
  if (await isAbsent(context, call)) throw notFound(call.resource, call.info.name);
}

const versionRequired = ({ resource, info }: ApiCall) =>
  invalid(resource, info.name, [
    {
      reason: "FieldValueInvalid",
      field: "metadata.resourceVersion",
      message: "Invalid value: 0x0: must be specified for an update",
    },
  ]);
