import type { KubeObject } from "../../machinery/object.ts";
import { hasFinalizers, markDeleted } from "../objects/deletion.ts";
import { jsonEqual } from "../objects/equal.ts";
import { objectKey } from "../objects/key.ts";
import { asPresented, present, type Presented, toStorage } from "../objects/present.ts";
import type { Resource } from "../registry/types.ts";
import { conflict, notFound, OBJECT_MODIFIED } from "../status.ts";
import { RevisionMismatchError } from "../storage/errors.ts";
import type { Stored } from "../storage/types.ts";
import { readOptions } from "./body.ts";
import { type ApiCall, type Reply, type VerbContext, writeVerb } from "./call.ts";
import { type DeleteOptions, parseDeleteOptions, type Propagation } from "./delete-options.ts";

/** A delete has no precondition of its own: it goes on until it meets a quiet moment. */
const CONFLICT_TRIES = 20;
const GC_FINALIZERS: Readonly<Record<string, Propagation>> = { orphan: "Orphan", foregroundDeletion: "Foreground" };

export async function deleteOne(context: VerbContext, call: ApiCall): Promise<Reply> {
  const options = parseDeleteOptions(call.query, await readOptions(call));
  const outcome = await deleteObject(context, call, call.info.name, options);
  if (outcome.pending) return { kind: "object", code: 200, object: outcome.object };
  return { kind: "status", code: 200, body: success(call.resource, outcome.object.object) };
}

export interface DeleteOutcome {
  /** True: finalizers are left, the object stays until they are done. */
  readonly pending: boolean;
  /** Its last state. */
  readonly object: Presented;
}

/** First phase of a deletion, and the second when nothing holds the object. Throws ApiError. */
export async function deleteObject(
  context: VerbContext,
  call: ApiCall,
  name: string,
  options: DeleteOptions,
): Promise<DeleteOutcome> {
  return context.hooks.exclusively(call.resource, () => untilQuiet(context, call, name, options));
}

async function untilQuiet(
  context: VerbContext,
  call: ApiCall,
  name: string,
  options: DeleteOptions,
): Promise<DeleteOutcome> {
  const { resource, info } = call;
  let { stored } = await context.storage.get(objectKey(resource, info.namespace, name));
  for (let tries = 1; ; tries += 1) {
    if (stored === undefined) throw notFound(resource, name);
    try {
      return await deleteOnce(context, call, options, stored);
    } catch (error) {
      if (!(error instanceof RevisionMismatchError)) throw error;
      if (tries === CONFLICT_TRIES) throw conflict(resource, name, OBJECT_MODIFIED);
      stored = error.current;
    }
  }
}

async function deleteOnce(
  context: VerbContext,
  call: ApiCall,
  options: DeleteOptions,
  stored: Stored,
): Promise<DeleteOutcome> {
  const { resource, user } = call;
  const live = present(resource, stored).object;
  checkPreconditions(resource, live, options);
  const change = {
    resource,
    user,
    operation: "delete" as const,
    verb: writeVerb(call),
    subresource: "",
    old: live,
    updated: undefined,
  };
  await context.hooks.admit({ ...change, dryRun: options.dryRun });
  const next = withPropagation(resource, live, options.propagation);
  if (!hasFinalizers(resource, next)) {
    if (options.dryRun) return { pending: false, object: asPresented(live) };
    const last = await context.storage.delete(stored.key, stored.revision);
    context.hooks.written(resource, undefined);
    return { pending: false, object: present(resource, last) };
  }
  const marked = markDeleted(resource, next, context.clock);
  if (options.dryRun || jsonEqual(marked, live)) return { pending: true, object: asPresented(marked) };
  const replaced = await context.storage.replace(stored.key, stored.revision, toStorage(resource, marked));
  const object = present(resource, replaced);
  context.hooks.written(resource, object);
  return { pending: true, object };
}

function checkPreconditions(resource: Resource, live: KubeObject, { preconditions }: DeleteOptions): void {
  const { name = "", uid = "", resourceVersion = "" } = live.metadata;
  if (preconditions.uid !== undefined && preconditions.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${uid}`;
    throw conflict(resource, name, why);
  }
  if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
    const why =
      `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}, ` +
      `ResourceVersion in object meta: ${resourceVersion}`;
    throw conflict(resource, name, why);
  }
}

/** The garbage collector's finalizers as the policy wants them: at most one of the two. */
function withPropagation(resource: Resource, live: KubeObject, wanted: Propagation | undefined): KubeObject {
  const before = live.metadata.finalizers ?? [];
  const present = before.map((finalizer) => GC_FINALIZERS[finalizer]).find((policy) => policy !== undefined);
  const policy = wanted ?? present ?? resource.strategy.defaultDeletePropagation;
  const others = before.filter((finalizer) => GC_FINALIZERS[finalizer] === undefined);
  const added = Object.keys(GC_FINALIZERS).filter((finalizer) => GC_FINALIZERS[finalizer] === policy);
  const unchanged = added.every((finalizer) => before.includes(finalizer));
  if (unchanged && before.length === others.length + added.length) return live;
  return { ...live, metadata: { ...live.metadata, finalizers: [...others, ...added] } };
}

const success = (resource: Resource, { metadata }: KubeObject): object => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Success",
  details: {
    name: metadata.name,
    ...(resource.group === "" ? {} : { group: resource.group }),
    kind: resource.plural,
    uid: metadata.uid,
  },
});
