import type { KubeObject } from "../../machinery/object.ts";
import { objectKey } from "../objects/key.ts";
import { nameAnew, prepareForCreate } from "../objects/prepare-create.ts";
import { asPresented, present, type Presented, toStorage } from "../objects/present.ts";
import { alreadyExists, ApiError } from "../status.ts";
import { KeyExistsError } from "../storage/errors.ts";
import { readObject } from "./body.ts";
import { type ApiCall, type Reply, type VerbContext, writeVerb } from "./call.ts";
import { checkNamespace } from "./namespace-check.ts";
import { parseWriteOptions, type WriteOptions } from "./options.ts";
import { trackManager } from "./track.ts";

/** How often another name is tried when a generated one is taken. */
const GENERATED_NAME_TRIES = 8;

export async function create(context: VerbContext, call: ApiCall): Promise<Reply> {
  const options = parseWriteOptions("CreateOptions", call.query, call.userAgent);
  const object = await readObject(call, options.fieldValidation);
  const created = await createObject(context, call, object, options, (candidate) =>
    trackManager(context, call, undefined, candidate, options.fieldManager),
  );
  return { kind: "object", code: 201, object: created };
}

/**
 * Stores a new object; `track` writes its managedFields once everything else is settled. A crash leaves the object
 * stored whole or not at all. Throws ApiError.
 */
export async function createObject(
  context: VerbContext,
  call: ApiCall,
  object: KubeObject,
  options: Pick<WriteOptions, "dryRun">,
  track: (object: KubeObject) => void,
): Promise<Presented> {
  return context.hooks.exclusively(call.resource, () => storeNew(context, call, object, options, track));
}

async function storeNew(
  context: VerbContext,
  call: ApiCall,
  object: KubeObject,
  options: Pick<WriteOptions, "dryRun">,
  track: (object: KubeObject) => void,
): Promise<Presented> {
  const { resource, info, user } = call;
  await checkNamespace(context, call, object.metadata.name ?? "");
  const generated = object.metadata.name === undefined;
  prepareForCreate(context, call, object);
  track(object);
  const verb = writeVerb(call);
  const change = {
    resource,
    user,
    operation: "create" as const,
    verb,
    subresource: "",
    old: undefined,
    updated: object,
  };
  await context.hooks.admit({ ...change, dryRun: options.dryRun });
  for (let tries = 1; ; tries += 1) {
    const key = objectKey(resource, info.namespace, object.metadata.name ?? "");
    try {
      if (options.dryRun) return await pretend(context, key, object);
      const { ttlSeconds } = resource.strategy;
      const stored = await context.storage.create(
        key,
        toStorage(resource, object),
        ttlSeconds === undefined ? {} : { ttlSeconds },
      );
      const created = present(resource, stored);
      context.hooks.written(resource, created);
      return created;
    } catch (error) {
      if (!(error instanceof KeyExistsError)) throw error;
      if (!generated) throw alreadyExists(resource, object.metadata.name ?? "");
      if (tries === GENERATED_NAME_TRIES) throw exhausted(call, object);
      nameAnew(context, object);
    }
  }
}

/** What a dry run answers; throws KeyExistsError as a real one would. */
async function pretend(context: VerbContext, key: string, object: KubeObject): Promise<Presented> {
  const { stored } = await context.storage.get(key);
  if (stored !== undefined) throw new KeyExistsError(key);
  return asPresented(object);
}

function exhausted({ resource }: ApiCall, object: KubeObject): ApiError {
  const error = alreadyExists(resource, object.metadata.name ?? "");
  const why = "the server was not able to generate a unique name for the object";
  return new ApiError("AlreadyExists", `${error.message}, ${why}`, {
    details: { ...error.details, retryAfterSeconds: 1 },
  });
}
