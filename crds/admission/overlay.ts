import type { KubeObject } from "../../machinery/object.ts";
import type { ResourceType } from "../../machinery/resource-type.ts";
import type { AdmissionRequest, Lister } from "./types.ts";

const keyOf = (object: KubeObject) => `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;

/** The world as it will be once the request is granted. */
export function worldAfter(request: AdmissionRequest, lister: Lister): Lister {
  const subject = request.object ?? request.old;
  if (subject === undefined) return lister;
  return {
    list<T>(type: ResourceType<T>): readonly T[] {
      const before = lister.list(type);
      if (type.plural !== request.plural) return before;
      const others = before.filter((object) => keyOf(object as KubeObject) !== keyOf(subject));
      return request.object === undefined ? others : [...others, request.object as T];
    },
  };
}
