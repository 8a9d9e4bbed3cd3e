import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { uuid } from "../../machinery/random.ts";
import { badRequest, invalid } from "../status.ts";
import type { ApiCall, VerbContext } from "../verbs/call.ts";
import { generateName } from "./names.ts";
import { nameOf } from "./key.ts";
import { checkSchema } from "./prepare-update.ts";
import { finalizerWarnings, validateMetadata } from "./validate-metadata.ts";

/**
 * Fills in what the server decides for a new object and checks the whole, in place; the body has been pruned and
 * defaulted. Throws ApiError. A generated name is fresh with each call of `nameAnew`.
 */
export function prepareForCreate(context: VerbContext, call: ApiCall, object: KubeObject): void {
  const { resource, user } = call;
  const { metadata } = object;
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== "0") {
    throw badRequest("resourceVersion should not be set on objects to be created");
  }
  for (const warning of finalizerWarnings(object, [])) call.warn(warning);
  fillSystemFields(context, call, object);
  if (resource.status) delete object["status"];
  const { strategy } = resource;
  if (resource.builtin) checkSchema(resource, object, undefined);
  strategy.prepareForCreate?.(object, user);
  // What the strategy filled in may have defaults of its own.
  resource.compiled.applyDefaults(object);
  const isChecked = resource.builtin && strategy.prepareForCreate === undefined;
  const errors = [
    ...validateMetadata(object, resource),
    ...(isChecked ? [] : resource.compiled.validate(object)),
    ...(strategy.validate?.(object, undefined) ?? []),
  ];
  if (errors.length > 0) throw invalid(resource, nameOf(object), errors);
}

function fillSystemFields(context: VerbContext, call: ApiCall, object: KubeObject): void {
  const { resource, info } = call;
  const { metadata } = object;
  for (const field of ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"]) {
    delete (metadata as Record<string, unknown>)[field];
  }
  if (resource.namespaced) metadata.namespace = info.namespace;
  else delete metadata.namespace;
  metadata.uid = uuid(context.random);
  metadata.creationTimestamp = formatTime(context.clock.now());
  if (countsGenerations(call)) metadata.generation = 1;
  else delete metadata.generation;
  if (metadata.name === undefined) nameAnew(context, object);
}

/** Built-in kinds without a spec (ConfigMap, Secret …) have no generation. */
const countsGenerations = ({ resource }: ApiCall): boolean =>
  !resource.builtin || resource.schema.properties?.["spec"] !== undefined;

/** Gives an object with a generateName another name. */
export function nameAnew(context: VerbContext, object: KubeObject): void {
  const base = object.metadata.generateName;
  if (base !== undefined) object.metadata.name = generateName(base, context.random);
}
