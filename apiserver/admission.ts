import PQueue from "p-queue";
import { admissionReads } from "../crds/admission/admit.ts";
import { GROUP } from "../crds/constants.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { ResourceType } from "../machinery/resource-type.ts";
import { type AdmissionDeps, admitWrite } from "./access/admission.ts";
import type { ReadKinds } from "./access/host-authorizer.ts";
import type { Caches } from "./caches.ts";
import { present } from "./objects/present.ts";
import type { Registry } from "./registry/registry.ts";
import type { WriteHooks } from "./verbs/call.ts";

/**
 * Reads all objects of the kinds that rules look at: each as new as the store is now. A kind whose definition is not
 * there has no objects.
 */
export function kindReader(registry: () => Registry, caches: Caches): ReadKinds {
  return async (kinds) => {
    const found = new Map<string, readonly KubeObject[]>();
    for (const { group, version, plural } of kinds) {
      const resource = registry().find(group, version, plural);
      if (resource === undefined) continue;
      const cache = await caches.of(resource);
      await cache.fresh();
      const objects = cache.list().items.map((stored) => present(resource, stored).object);
      found.set(`${group}/${plural}`, objects);
    }
    return {
      list: <T>({ group, plural }: ResourceType<T>) => (found.get(`${group}/${plural}`) ?? []) as readonly T[],
    };
  };
}

/** The rules over writes. What rules judge together is written one after the other, as far as this server goes. */
export function makeAdmission(deps: AdmissionDeps): Pick<WriteHooks, "admit" | "exclusively"> {
  const queue = new PQueue({ concurrency: 1 });
  return {
    admit: (change) => admitWrite(deps, change),
    exclusively: (resource, work) =>
      resource.group === GROUP && admissionReads(resource.plural).length > 0 ? queue.add(work) : work(),
  };
}
