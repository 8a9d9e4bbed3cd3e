import type { User } from "./types.ts";

export const AUTHENTICATED = "system:authenticated";
export const UNAUTHENTICATED = "system:unauthenticated";

/** Who gives no credentials. May see health and version. */
export const ANONYMOUS: User = { name: "system:anonymous", uid: "", groups: [UNAUTHENTICATED], extra: {} };

export function knownUser(
  name: string,
  groups: readonly string[],
  more: Partial<Pick<User, "uid" | "extra">> = {},
): User {
  const all = groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED];
  return { name, uid: more.uid ?? "", groups: all, extra: more.extra ?? {} };
}

const SERVICE_ACCOUNT = /^system:serviceaccount:([a-z0-9][-a-z0-9]*):([a-z0-9][-a-z0-9.]*)$/;

export const serviceAccountUser = (namespace: string, name: string): string =>
  `system:serviceaccount:${namespace}:${name}`;

export const serviceAccountGroups = (namespace: string): readonly string[] => [
  "system:serviceaccounts",
  `system:serviceaccounts:${namespace}`,
];

/** Namespace and name behind `system:serviceaccount:NAMESPACE:NAME`. */
export function parseServiceAccountUser(
  name: string,
): { readonly namespace: string; readonly name: string } | undefined {
  const match = SERVICE_ACCOUNT.exec(name);
  return match === null ? undefined : { namespace: match[1] ?? "", name: match[2] ?? "" };
}

/** The user of the server's own loops. */
export const SERVER_USER: User = knownUser("system:apiserver", ["system:masters"]);
