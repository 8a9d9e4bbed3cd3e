import { ApiError, qualifiedResource } from "../status.ts";
import type { Attributes } from "./types.ts";

/** `User "u" cannot get resource "widgets" in API group "example.com" in the namespace "default"`. */
export function describeRequest(attributes: Attributes): string {
  const { user, verb, resource, subresource, apiGroup, namespace, path, resourceRequest } = attributes;
  if (!resourceRequest) return `User "${user.name}" cannot ${verb} path "${path}"`;
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  return `User "${user.name}" cannot ${verb} resource "${what}" in API group "${apiGroup}" ${where}`;
}

/** 403 in the words of kube-apiserver; `why` goes behind a colon. */
export function forbidden(attributes: Attributes, why: string): ApiError {
  const text = why === "" ? describeRequest(attributes) : `${describeRequest(attributes)}: ${why}`;
  if (!attributes.resourceRequest) return new ApiError("Forbidden", `forbidden: ${text}`, { details: {} });
  const { apiGroup: group, resource: plural, name } = attributes;
  const subject =
    name === "" ? qualifiedResource({ group, plural }) : `${qualifiedResource({ group, plural })} "${name}"`;
  return new ApiError("Forbidden", `${subject} is forbidden: ${text}`, {
    details: { ...(name === "" ? {} : { name }), ...(group === "" ? {} : { group }), kind: plural },
  });
}
