import { badRequest } from "../status.ts";

/** What a request's method, path and query ask for, in the words of RBAC. */
export interface RequestInfo {
  readonly path: string;
  /** RBAC verb for resources (`get`, `deletecollection` …), the method in lower case otherwise. */
  readonly verb: string;
  readonly resourceRequest: boolean;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Path segments behind the subresource: no resource of ours has them. */
  readonly rest: readonly string[];
}

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Subresources of a namespace itself: behind `/namespaces/<name>/` everything else is a resource in that namespace. */
const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);

const nonResource = (method: string, path: string): RequestInfo => ({
  path,
  verb: method.toLowerCase(),
  resourceRequest: false,
  group: "",
  version: "",
  namespace: "",
  resource: "",
  subresource: "",
  name: "",
  rest: [],
});

/** Throws BadRequest for a path that is not valid percent-encoding. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const segments = path.split("/").filter((part) => part !== "");
  const [prefix] = segments;
  if ((prefix !== "api" || segments.length < 3) && (prefix !== "apis" || segments.length < 4)) {
    return nonResource(method, path);
  }
  const decoded = segments.map((segment) => decodeSegment(segment));
  const [group = "", version = ""] = prefix === "api" ? ["", decoded[1]] : [decoded[1], decoded[2]];
  const location = locate(decoded.slice(prefix === "api" ? 2 : 3));
  return { path, resourceRequest: true, group, version, ...location, verb: verbOf(method, location.name, query) };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw badRequest(`path segment ${JSON.stringify(segment)} is not valid percent-encoding: ${String(cause)}`);
  }
}

type Location = Pick<RequestInfo, "namespace" | "resource" | "subresource" | "name" | "rest">;

function locate(parts: readonly string[]): Location {
  const [first = "", second = "", third = "", ...more] = parts;
  const inNamespace = first === "namespaces" && third !== "" && !NAMESPACE_SUBRESOURCES.has(third);
  if (inNamespace) {
    const [name = "", subresource = "", ...rest] = more;
    return { namespace: second, resource: third, name, subresource, rest };
  }
  const namespace = first === "namespaces" ? second : "";
  return { namespace, resource: first, name: second, subresource: third, rest: more };
}

function verbOf(method: string, name: string, query: URLSearchParams): string {
  const verb = VERBS[method] ?? method.toLowerCase();
  if (name !== "") return verb;
  if (verb === "delete") return "deletecollection";
  if (verb !== "get") return verb;
  return isTrue(query.get("watch")) ? "watch" : "list";
}

/** A boolean query parameter as Go's conversion reads it: present and not `false` or `0`. */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== "false" && value !== "0";
}
