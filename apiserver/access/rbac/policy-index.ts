import type { KubeObject } from "../../../machinery/object.ts";
import type { BindingObject, PolicyRule, RoleObject, RoleRef, Subject } from "../../builtin/kinds/rbac.ts";
import type { User } from "../types.ts";

/** The kinds that make up the policy. */
export const POLICY_KINDS = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"] as const;
export type PolicyKind = (typeof POLICY_KINDS)[number];

/** A role that a user has, and through which binding. */
export interface Grant {
  readonly binding: BindingObject;
  readonly rules: readonly PolicyRule[];
}

const CLUSTER = "";

const keyOf = (object: KubeObject): string => `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;

/** As whom a subject makes itself known: service accounts are users of a fixed form. */
function subjectKey(subject: Subject, bindingNamespace: string): string {
  if (subject.kind === "Group") return `group:${subject.name}`;
  if (subject.kind === "User") return `user:${subject.name}`;
  return `user:system:serviceaccount:${subject.namespace || bindingNamespace}:${subject.name}`;
}

/**
 * All roles and bindings in memory, bindings by subject, so that a request looks at the bindings of its own user and
 * groups only. Fed from watches; until every kind has been listed once it is not `ready` and must not be asked.
 */
export class PolicyIndex {
  readonly #roles = new Map<string, RoleObject>();
  readonly #bindings = new Map<string, BindingObject>();
  /** Namespace (empty: cluster-wide) -> subject -> bindings by key. */
  readonly #bySubject = new Map<string, Map<string, Map<string, BindingObject>>>();
  readonly #listed = new Set<PolicyKind>();

  get ready(): boolean {
    return this.#listed.size === POLICY_KINDS.length;
  }

  /** Everything of one kind, as a list gave it. */
  replace(kind: PolicyKind, objects: readonly KubeObject[]): void {
    const keep = new Set(objects.map((object) => this.#key(kind, object)));
    const map: Map<string, KubeObject> = kind.endsWith("Binding") ? this.#bindings : this.#roles;
    for (const [key, object] of map) if (key.startsWith(`${kind}:`) && !keep.has(key)) this.remove(kind, object);
    for (const object of objects) this.put(kind, object);
    this.#listed.add(kind);
  }

  put(kind: PolicyKind, object: KubeObject): void {
    const key = this.#key(kind, object);
    if (kind === "Role" || kind === "ClusterRole") {
      this.#roles.set(key, object);
      return;
    }
    this.remove(kind, object);
    const binding = object as BindingObject;
    this.#bindings.set(key, binding);
    for (const subject of binding.subjects ?? []) this.#bucket(binding, subject).set(key, binding);
  }

  remove(kind: PolicyKind, object: KubeObject): void {
    const key = this.#key(kind, object);
    this.#roles.delete(key);
    const binding = this.#bindings.get(key);
    if (binding === undefined) return;
    this.#bindings.delete(key);
    for (const subject of binding.subjects ?? []) this.#bucket(binding, subject).delete(key);
  }

  clusterRoles(): readonly RoleObject[] {
    return [...this.#roles].filter(([key]) => key.startsWith("ClusterRole:")).map(([, role]) => role);
  }

  /** Rules of the role that a binding in `namespace` (empty: a ClusterRoleBinding) names; `undefined`: there is none. */
  rulesOf(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const key = ref.kind === "Role" ? `Role:${namespace}/${ref.name}` : `ClusterRole:/${ref.name}`;
    const role = this.#roles.get(key);
    return role === undefined ? undefined : (role.rules ?? []);
  }

  /** What the user has in `namespace`, cluster-wide bindings first. An empty namespace: those only. */
  *grants(user: User, namespace: string): Generator<Grant> {
    for (const scope of namespace === CLUSTER ? [CLUSTER] : [CLUSTER, namespace]) {
      const bySubject = this.#bySubject.get(scope);
      if (bySubject === undefined) continue;
      for (const subject of [`user:${user.name}`, ...user.groups.map((group) => `group:${group}`)]) {
        for (const binding of bySubject.get(subject)?.values() ?? []) {
          yield { binding, rules: this.rulesOf(binding.roleRef, scope) ?? [] };
        }
      }
    }
  }

  #key(kind: PolicyKind, object: KubeObject): string {
    return `${kind}:${keyOf(object)}`;
  }

  #bucket(binding: BindingObject, subject: Subject): Map<string, BindingObject> {
    const namespace = binding.metadata.namespace ?? CLUSTER;
    const scope = getOrCreate(this.#bySubject, namespace);
    return getOrCreate(scope, subjectKey(subject, namespace));
  }
}

function getOrCreate<K, A, B>(map: Map<K, Map<A, B>>, key: K): Map<A, B> {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = new Map<A, B>();
  map.set(key, made);
  return made;
}
