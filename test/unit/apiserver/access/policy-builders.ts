import { PolicyIndex } from "../../../../apiserver/access/rbac/policy-index.ts";
import type { Attributes, User } from "../../../../apiserver/access/types.ts";
import type { BindingObject, PolicyRule, RoleObject, Subject } from "../../../../apiserver/builtin/kinds/rbac.ts";

export const API = "rbac.authorization.k8s.io";

export const user = (name: string, ...groups: string[]): User => ({
  name,
  uid: "",
  groups: [...groups, "system:authenticated"],
  extra: {},
});

export const ask = (who: User, verb: string, resource: string, more: Partial<Attributes> = {}): Attributes => {
  const [plural = "", subresource = ""] = resource.split("/");
  return {
    user: who,
    verb,
    namespace: "",
    apiGroup: "",
    apiVersion: "v1",
    resource: plural,
    subresource,
    name: "",
    resourceRequest: true,
    path: "",
    ...more,
  };
};

export const role = (
  kind: "Role" | "ClusterRole",
  name: string,
  rules: PolicyRule[],
  namespace?: string,
): RoleObject => ({
  apiVersion: `${API}/v1`,
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  rules,
});

export const bind = (roleKind: string, roleName: string, subject: Subject, namespace?: string): BindingObject => ({
  apiVersion: `${API}/v1`,
  kind: namespace === undefined ? "ClusterRoleBinding" : "RoleBinding",
  metadata: { name: `${roleName}-${subject.name}`, ...(namespace === undefined ? {} : { namespace }) },
  roleRef: { apiGroup: API, kind: roleKind, name: roleName },
  subjects: [subject],
});

export const isUser = (name: string): Subject => ({ kind: "User", apiGroup: API, name });
export const isGroup = (name: string): Subject => ({ kind: "Group", apiGroup: API, name });

export function index(...objects: (RoleObject | BindingObject)[]): PolicyIndex {
  const made = new PolicyIndex();
  for (const kind of ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"] as const) {
    made.replace(
      kind,
      objects.filter((object) => object.kind === kind),
    );
  }
  return made;
}
