import type { KubeObject } from "../../machinery/object.ts";
import type { PrinterColumn, Resource, ScalePaths } from "../registry/types.ts";
import { invalidValue, isObject } from "../schema/field-error.ts";
import { badRequest, type FieldError } from "../status.ts";

/** The kind of the scale subresource, whatever it is a view of. */
export const SCALE = { group: "autoscaling", version: "v1", kind: "Scale", plural: "scales", builtin: true } as const;

export const SCALE_COLUMNS: readonly PrinterColumn[] = [
  { name: "Desired", type: "integer", jsonPath: ".spec.replicas", description: "Replicas that are wanted" },
  { name: "Available", type: "integer", jsonPath: ".status.replicas", description: "Replicas that are there" },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
];

const MAX_REPLICAS = 2 ** 31 - 1;

/** Shows an object as autoscaling/v1 Scale; a number that is absent reads as 0. */
export function toScale(
  { specReplicasPath, statusReplicasPath, labelSelectorPath }: ScalePaths,
  object: KubeObject,
): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = labelSelectorPath === undefined ? undefined : readPath(object, labelSelectorPath);
  return {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: readNumber(object, specReplicasPath) },
    status: {
      replicas: readNumber(object, statusReplicasPath),
      ...(typeof selector === "string" && selector !== "" ? { selector } : {}),
    },
  };
}

/** What is wrong with a Scale that somebody wants. Throws BadRequest for what is no number. */
export function validateScale(scale: KubeObject): readonly FieldError[] {
  const replicas = wantedReplicas(scale);
  if (replicas >= 0) return [];
  return [invalidValue("spec.replicas", replicas, "should be a non-negative integer")];
}

export function wantedReplicas(scale: KubeObject): number {
  const spec = scale["spec"] ?? {};
  const replicas = isObject(spec) ? (spec["replicas"] ?? 0) : undefined;
  if (typeof replicas === "number" && Number.isInteger(replicas) && replicas <= MAX_REPLICAS) return replicas;
  throw badRequest(`Scale in version "v1" cannot be handled as a Scale: spec.replicas must be of type int32`);
}

/** A copy of `live` with the wanted replicas, under the preconditions (uid, resourceVersion) of `scale`. */
export function withScale(resource: Resource, paths: ScalePaths, live: KubeObject, scale: KubeObject): KubeObject {
  const updated = structuredClone(live);
  const { uid = live.metadata.uid, resourceVersion = live.metadata.resourceVersion } = scale.metadata;
  if (uid !== undefined) updated.metadata.uid = uid;
  if (resourceVersion !== undefined) updated.metadata.resourceVersion = resourceVersion;
  writePath(updated, paths.specReplicasPath, wantedReplicas(scale), resource);
  return updated;
}

const stepsOf = (path: string): string[] => path.split(".").filter((step) => step !== "");

function readPath(object: KubeObject, path: string): unknown {
  let value: unknown = object;
  for (const step of stepsOf(path)) value = isObject(value) ? value[step] : undefined;
  return value;
}

function readNumber(object: KubeObject, path: string): number {
  const value = readPath(object, path);
  return typeof value === "number" ? value : 0;
}

function writePath(object: KubeObject, path: string, value: number, resource: Resource): void {
  const steps = stepsOf(path);
  const last = steps.pop() ?? "";
  let parent: Record<string, unknown> = object;
  for (const step of steps) {
    parent[step] ??= {};
    const next = parent[step];
    if (!isObject(next)) throw badRequest(`${path} of ${resource.kind} cannot be set: ${step} is no object`);
    parent = next;
  }
  parent[last] = value;
}
