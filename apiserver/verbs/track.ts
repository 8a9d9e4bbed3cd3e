import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { trackUpdate } from "../apply/managed-fields.ts";
import type { FieldWriter, IsServed, ResetFields } from "../apply/types.ts";
import { apiVersionOf } from "../objects/present.ts";
import type { ApiCall, VerbContext } from "./call.ts";

export const fieldWriter = ({ clock }: VerbContext, { resource, info }: ApiCall, manager: string): FieldWriter => ({
  manager,
  apiVersion: apiVersionOf(resource),
  subresource: info.subresource,
  time: formatTime(clock.now()),
});

/** What the endpoint does not write, so that nobody owns it by writing there. */
export function resetFieldsOf({ resource, info }: ApiCall): ResetFields {
  if (info.subresource === "status") return "all-but-status";
  return resource.status && info.subresource === "" ? "status" : "none";
}

/** Of the kind that the call is about. */
export const servedVersions =
  ({ registry }: VerbContext, { resource }: ApiCall): IsServed =>
  (apiVersion) => {
    const [group = "", version = ""] = apiVersion.includes("/") ? apiVersion.split("/", 2) : ["", apiVersion];
    return registry.find(group, version, resource.plural) !== undefined;
  };

/** Writes `updated.metadata.managedFields` for an operation Update by `manager`, in place. */
export function trackManager(
  context: VerbContext,
  call: ApiCall,
  live: KubeObject | undefined,
  updated: KubeObject,
  manager: string,
): void {
  const managedFields = trackUpdate({
    old: live,
    updated,
    writer: fieldWriter(context, call, manager),
    schema: call.resource.schema,
    resetFields: resetFieldsOf(call),
    isServed: servedVersions(context, call),
  });
  if (managedFields.length === 0) delete updated.metadata.managedFields;
  else updated.metadata.managedFields = managedFields;
}
