import { badRequest } from "../status.ts";
import { forbidden } from "./forbidden.ts";
import type { Attributes, Authorizer, User } from "./types.ts";
import { AUTHENTICATED, parseServiceAccountUser, serviceAccountGroups, UNAUTHENTICATED } from "./users.ts";

/** Header names in lower case, as Node gives them; repeated ones as lists. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const EXTRA_PREFIX = "impersonate-extra-";

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;

interface Wish {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Names of headers that must reach this module unjoined: a group may hold a comma. */
export const isImpersonationHeader = (name: string): boolean => name.toLowerCase().startsWith("impersonate-");

function readWish(headers: Headers): Wish | undefined {
  const groups = listOf(headers["impersonate-group"]);
  const extra = Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith(EXTRA_PREFIX))
      .map(([name, value]) => [decodeKey(name.slice(EXTRA_PREFIX.length)), listOf(value)]),
  );
  const [name = ""] = listOf(headers["impersonate-user"]);
  const [uid = ""] = listOf(headers["impersonate-uid"]);
  if (name !== "") return { name, uid, groups, extra };
  if (groups.length === 0 && uid === "" && Object.keys(extra).length === 0) return undefined;
  throw badRequest("requested groups, uid or extra to impersonate without the header Impersonate-User");
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key).toLowerCase();
  } catch (error) {
    throw badRequest(`header Impersonate-Extra-${key}: the key is not percent-encoded text (${String(error)})`);
  }
}

/** The user to act as; `user` himself without impersonation headers. Throws Forbidden for each part he may not take on. */
export async function impersonate(user: User, headers: Headers, authorizer: Authorizer): Promise<User> {
  const wish = readWish(headers);
  if (wish === undefined) return user;
  for (const attributes of partsOf(user, wish)) {
    const decision = await authorizer.authorize(attributes);
    if (!decision.allowed) throw forbidden(attributes, decision.reason);
  }
  return { ...wish, groups: withImpliedGroups(wish) };
}

function* partsOf(user: User, wish: Wish): Generator<Attributes> {
  const ask = (resource: string, name: string, more: Partial<Attributes> = {}): Attributes => ({
    user,
    verb: "impersonate",
    namespace: "",
    apiGroup: "",
    apiVersion: "v1",
    resource,
    subresource: "",
    name,
    resourceRequest: true,
    path: "",
    ...more,
  });
  const account = parseServiceAccountUser(wish.name);
  yield account === undefined
    ? ask("users", wish.name)
    : ask("serviceaccounts", account.name, { namespace: account.namespace });
  for (const group of wish.groups) yield ask("groups", group);
  if (wish.uid !== "") yield ask("uids", wish.uid, { apiGroup: "authentication.k8s.io" });
  for (const [key, values] of Object.entries(wish.extra)) {
    for (const value of values) yield ask("userextras", value, { apiGroup: "authentication.k8s.io", subresource: key });
  }
}

/** A service account without groups given is in its own; everybody but the anonymous one is authenticated. */
function withImpliedGroups(wish: Wish): readonly string[] {
  const account = parseServiceAccountUser(wish.name);
  const groups =
    wish.groups.length === 0 && account !== undefined ? serviceAccountGroups(account.namespace) : wish.groups;
  if (groups.includes(AUTHENTICATED) || groups.includes(UNAUTHENTICATED)) return groups;
  return [...groups, wish.name === "system:anonymous" ? UNAUTHENTICATED : AUTHENTICATED];
}
