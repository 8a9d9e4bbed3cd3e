import { objectKey } from "../objects/key.ts";
import { present } from "../objects/present.ts";
import { notFound } from "../status.ts";
import type { Stored } from "../storage/types.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";

/** The object as it is now: a read that sees every write that was answered before. */
export async function get(context: VerbContext, { resource, info, query }: ApiCall): Promise<Reply> {
  const key = objectKey(resource, info.namespace, info.name);
  const any = query.get("resourceVersion") === "0";
  const stored = any ? (await context.caches.of(resource)).get(key) : await readStored(context, resource, key);
  if (stored === undefined) throw notFound(resource, info.name);
  return { kind: "object", code: 200, object: present(resource, stored) };
}

/** Reads the store; hands out the cache's copy of the same state, which has been read and rendered before. */
export async function readStored(
  { storage, caches }: VerbContext,
  resource: ApiCall["resource"],
  key: string,
): Promise<Stored | undefined> {
  const { stored } = await storage.get(key);
  const cached = caches.peek(resource)?.get(key);
  return cached !== undefined && cached.revision === stored?.revision ? cached : stored;
}
