import { objectKey } from "../objects/key.ts";
import { present } from "../objects/present.ts";
import { notFound } from "../status.ts";
import type { ApiCall, Reply, VerbContext } from "./call.ts";

/** The object as it is now: a read that sees every write that was answered before. */
export async function get(context: VerbContext, { resource, info }: ApiCall): Promise<Reply> {
  const { stored } = await context.storage.get(objectKey(resource, info.namespace, info.name));
  if (stored === undefined) throw notFound(resource, info.name);
  return { kind: "object", code: 200, object: present(resource, stored) };
}
