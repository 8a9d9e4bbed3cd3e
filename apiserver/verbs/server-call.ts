import { SERVER_USER } from "../access/users.ts";
import type { Resource } from "../registry/types.ts";
import type { ApiCall } from "./call.ts";

/** A call by the server itself on one object. */
export function serverCall(resource: Resource, namespace: string, name: string, subresource = ""): ApiCall {
  return {
    resource,
    info: {
      path: "",
      verb: "update",
      resourceRequest: true,
      group: resource.group,
      version: resource.version,
      namespace,
      resource: resource.plural,
      subresource,
      name,
      rest: [],
    },
    user: SERVER_USER,
    query: new URLSearchParams(),
    userAgent: "ferrite-server",
    contentType: undefined,
    body: () => Promise.resolve(Buffer.alloc(0)),
    warn: () => {},
    sent: () => {},
    signal: new AbortController().signal,
  };
}
