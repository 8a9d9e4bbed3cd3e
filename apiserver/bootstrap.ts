import type { KubeObject } from "../machinery/object.ts";
import {
  DEFAULT_CLUSTER_ROLE_BINDINGS,
  DEFAULT_CLUSTER_ROLES,
  reconcileBinding,
  reconcileRole,
} from "./access/rbac/default-roles.ts";
import { RBAC_GROUP } from "./builtin/kinds/rbac.ts";
import { objectKey } from "./objects/key.ts";
import type { Resource } from "./registry/types.ts";
import { ApiError } from "./status.ts";
import type { ApiCall, VerbContext } from "./verbs/call.ts";
import { createObject } from "./verbs/create.ts";
import { serverCall } from "./verbs/server-call.ts";
import { writeExisting } from "./verbs/write-existing.ts";

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease", "ferrite-system"];

/** Makes what every cluster has and is not there yet: namespaces, roles and bindings. May run on several servers at once. */
export async function bootstrap(context: VerbContext): Promise<void> {
  const { registry } = context;
  const namespaces = required(registry.find("", "v1", "namespaces"));
  const roles = required(registry.find(RBAC_GROUP, "v1", "clusterroles"));
  const bindings = required(registry.find(RBAC_GROUP, "v1", "clusterrolebindings"));
  await Promise.all([
    ...NAMESPACES.map((name) =>
      ensure(context, namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } }, () => undefined),
    ),
    ...DEFAULT_CLUSTER_ROLES.map((role) => ensure(context, roles, role, (live) => reconcileRole(live, role))),
    ...DEFAULT_CLUSTER_ROLE_BINDINGS.map((binding) =>
      ensure(context, bindings, binding, (live) => reconcileBinding(live as typeof binding, binding)),
    ),
  ]);
}

function required(resource: Resource | undefined): Resource {
  if (resource === undefined) throw new Error("a built-in kind that the server itself needs is not registered");
  return resource;
}

async function ensure(
  context: VerbContext,
  resource: Resource,
  wanted: KubeObject,
  reconcile: (live: KubeObject) => KubeObject | undefined,
): Promise<void> {
  const { name = "", namespace = "" } = wanted.metadata;
  const call = serverCall(resource, namespace, name);
  const { stored } = await context.storage.get(objectKey(resource, namespace, name));
  if (stored === undefined) return makeAbsent(context, call, wanted);
  if (reconcile(stored.object) === undefined) return;
  await writeExisting(context, call, {
    dryRun: false,
    change: (live) => structuredClone(reconcile(live) ?? live),
    track: () => {},
  });
}

async function makeAbsent(context: VerbContext, call: ApiCall, wanted: KubeObject): Promise<void> {
  try {
    await createObject(context, call, structuredClone(wanted), { dryRun: false }, () => {});
  } catch (error) {
    // Another server was faster.
    if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
  }
}
