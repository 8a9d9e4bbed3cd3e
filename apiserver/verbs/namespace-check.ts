import { objectKey } from "../objects/key.ts";
import { ApiError, notFound, qualifiedResource } from "../status.ts";
import type { ApiCall, VerbContext } from "./call.ts";

/** Nothing is created in a namespace that is absent (404) or going away (403). `name` is "" when it will be generated. */
export async function checkNamespace(
  { registry, storage, caches }: VerbContext,
  call: ApiCall,
  name: string,
): Promise<void> {
  const { resource, info } = call;
  const namespaces = registry.find("", "v1", "namespaces");
  if (!resource.namespaced || namespaces === undefined) return;
  const key = objectKey(namespaces, "", info.namespace);
  const cached = caches.peek(namespaces)?.get(key);
  // Memory may be late: it may allow (whoever empties a namespace looks again), only the store may refuse.
  if (cached !== undefined && cached.object.metadata.deletionTimestamp === undefined) return;
  const { stored } = await storage.get(key);
  if (stored === undefined) throw notFound(namespaces, info.namespace);
  if (stored.object.metadata.deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${info.namespace} because it is being terminated`;
  throw new ApiError("Forbidden", `${qualifiedResource(resource)} "${name}" is forbidden: ${why}`, {
    details: {
      name,
      ...(resource.group === "" ? {} : { group: resource.group }),
      kind: resource.plural,
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${info.namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    },
  });
}
