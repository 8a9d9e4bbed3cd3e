import type { KubeObject } from "../../machinery/object.ts";
import { hasFinalizers } from "../objects/deletion.ts";
import { objectKey } from "../objects/key.ts";
import { prepareForUpdate } from "../objects/prepare-update.ts";
import { asPresented, present, type Presented, toStorage } from "../objects/present.ts";
import { conflict, notFound, OBJECT_MODIFIED } from "../status.ts";
import { RevisionMismatchError, StorageUnavailableError } from "../storage/errors.ts";
import type { Stored } from "../storage/types.ts";
import { isUnchanged } from "../storage/value.ts";
import { type ApiCall, type VerbContext, writeVerb } from "./call.ts";

/** How often a write that lost the race against another one is worked out anew. */
const CONFLICT_TRIES = 5;

export interface ExistingWrite {
  readonly dryRun: boolean;
  /**
   * The object as it shall be, from what is there now (never to be changed in place). Called again after a lost race:
   * must not depend on anything else.
   */
  readonly change: (live: KubeObject) => KubeObject | Promise<KubeObject>;
  /** Writes managedFields of `updated`, in place, once everything else is settled. */
  readonly track: (live: KubeObject, updated: KubeObject) => void;
}

/**
 * Reads, changes and compare-and-sets one object. Writes nothing when nothing changes. When the change removes the
 * last finalizer of an object that is being deleted, the object goes. Throws ApiError.
 */
export async function writeExisting(context: VerbContext, call: ApiCall, write: ExistingWrite): Promise<Presented> {
  return context.hooks.exclusively(call.resource, () => untilQuiet(context, call, write));
}

/**
 * The first try is on what memory has, which saves a read: compare-and-set tells if that was late. What came of it
 * without a write (an error, no change) counts only when it is true of the store's own state.
 */
async function untilQuiet(context: VerbContext, call: ApiCall, write: ExistingWrite): Promise<Presented> {
  const { resource, info } = call;
  const key = objectKey(resource, info.namespace, info.name);
  const cached = context.caches.peek(resource)?.get(key);
  if (cached !== undefined && !write.dryRun) {
    const early = await writeOnce(context, call, write, cached).catch((error: unknown) => retryable(error));
    if (early?.written === true) return early.result;
  }
  let { stored } = await context.storage.get(key);
  for (let tries = 1; ; tries += 1) {
    if (stored === undefined) throw notFound(resource, info.name);
    try {
      return (await writeOnce(context, call, write, stored)).result;
    } catch (error) {
      if (!(error instanceof RevisionMismatchError)) throw error;
      if (tries === CONFLICT_TRIES) throw conflict(resource, info.name, OBJECT_MODIFIED);
      stored = error.current;
    }
  }
}

/** `undefined` for what may come out otherwise on the store's own state; throws when the store itself failed. */
function retryable(error: unknown): undefined {
  if (error instanceof StorageUnavailableError) throw error;
  return undefined;
}

interface Outcome {
  readonly result: Presented;
  /** False: nothing had to be written. */
  readonly written: boolean;
}

async function writeOnce(context: VerbContext, call: ApiCall, write: ExistingWrite, stored: Stored): Promise<Outcome> {
  const { resource, info, user } = call;
  const live = present(resource, stored).object;
  const updated = await write.change(live);
  prepareForUpdate(call, updated, live);
  write.track(live, updated);
  const change = {
    resource,
    user,
    operation: "update" as const,
    verb: writeVerb(call),
    subresource: info.subresource,
    old: live,
    updated,
  };
  await context.hooks.admit({ ...change, dryRun: write.dryRun });
  const encoded = toStorage(resource, updated);
  if (write.dryRun || isUnchanged(stored, encoded)) return { result: asPresented(updated), written: false };
  if (updated.metadata.deletionTimestamp !== undefined && !hasFinalizers(resource, updated)) {
    const last = await context.storage.delete(stored.key, stored.revision);
    context.hooks.written(resource, undefined);
    updated.metadata.resourceVersion = String(last.revision);
    return { result: asPresented(updated), written: true };
  }
  const { ttlSeconds } = resource.strategy;
  const options = ttlSeconds === undefined ? {} : { ttlSeconds };
  const replaced = await context.storage.replace(stored.key, stored.revision, encoded, options);
  const result = present(resource, replaced);
  context.hooks.written(resource, result);
  return { result, written: true };
}
