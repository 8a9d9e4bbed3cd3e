import type { Clock } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { pruneCrd } from "../schema/crd-shape.ts";
import { validateCrd } from "../schema/crd.ts";
import { crdStatus, CRD_FINALIZER, defaultNames } from "./crd-status.ts";
import type { CustomResourceDefinition } from "./custom-resources.ts";
import type { Registry } from "./registry.ts";
import type { Resource } from "./types.ts";

/**
 * The kind CustomResourceDefinition: the status follows from the spec in the very write that changes it, so that a
 * definition is Established when the answer comes.
 */
export function crdKind(base: Resource, registry: () => Registry, clock: Clock): Resource {
  const settle = (object: KubeObject): void => {
    const crd = object as CustomResourceDefinition;
    defaultNames(crd);
    crd.status = crdStatus(crd, registry(), clock);
  };
  return {
    ...base,
    compiled: { ...base.compiled, prune: (object) => [...base.compiled.prune(object), ...pruneCrd(object)] },
    strategy: {
      ...base.strategy,
      allowUnconditionalUpdate: false,
      prepareForCreate(object) {
        delete object["status"];
        object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CRD_FINALIZER])];
        settle(object);
      },
      prepareForUpdate(object, old) {
        object["status"] = structuredClone(old["status"]);
        settle(object);
      },
      validate: validateCrd,
    },
  };
}

export const isCrdKind = (resource: Pick<Resource, "group" | "plural">): boolean =>
  resource.group === "apiextensions.k8s.io" && resource.plural === "customresourcedefinitions";
