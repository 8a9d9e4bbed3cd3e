import { type ServiceAccountTokens, TokenRefusedError } from "../../access/tokens/service-account-tokens.ts";
import type { Authenticator, User } from "../../access/types.ts";
import { formatTime } from "../../../machinery/clock.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import type { VirtualRequest } from "../../registry/types.ts";
import { ApiError, invalid, notFound } from "../../status.ts";
import { invalidValue, requiredValue } from "../field-errors.ts";
import { flag, int64, kindSchema, listOf, mapOf, objectReference, record, text, time } from "../schema-nodes.ts";
import type { VirtualKind } from "./virtual-kind.ts";

const GROUP = "authentication.k8s.io";
const API_VERSION = `${GROUP}/v1`;

const userInfo = record("Who it is.", {
  username: text("Name of the user."),
  uid: text("UID of the user."),
  groups: listOf("Groups of the user.", text("A group.")),
  extra: mapOf("More about the user.", listOf("Values.", text("A value."))),
});

const toUserInfo = (user: User): Record<string, unknown> => ({
  username: user.name,
  ...(user.uid === "" ? {} : { uid: user.uid }),
  groups: [...user.groups],
  ...(Object.keys(user.extra).length === 0 ? {} : { extra: user.extra }),
});

/** `kubectl auth whoami`. */
export const selfSubjectReview: VirtualKind = {
  group: GROUP,
  version: "v1",
  plural: "selfsubjectreviews",
  kind: "SelfSubjectReview",
  bodyApiVersion: API_VERSION,
  namespaced: false,
  schema: kindSchema("Asks who you are.", { status: record("The answer, by the server.", { userInfo }) }),
  status: ({ user }) => Promise.resolve({ userInfo: toUserInfo(user) }),
};

interface TokenReviewSpec {
  readonly token?: string;
  readonly audiences?: readonly string[];
}

/** Checks a token for somebody who was given it. */
export function tokenReview(authenticator: Authenticator, tokens: ServiceAccountTokens): VirtualKind {
  return {
    group: GROUP,
    version: "v1",
    plural: "tokenreviews",
    kind: "TokenReview",
    bodyApiVersion: API_VERSION,
    namespaced: false,
    schema: kindSchema(
      "Asks who is behind a bearer token.",
      {
        spec: record("The question.", {
          token: text("The token."),
          audiences: listOf("For whom the token should be meant; any of these will do.", text("An audience.")),
        }),
        status: record("The answer, by the server.", {
          authenticated: flag("Whether the token holds."),
          user: userInfo,
          audiences: listOf("Those of the audiences asked for that the token is meant for.", text("An audience.")),
          error: text("Why it could not be told."),
        }),
      },
      ["spec"],
    ),
    async status({ body }) {
      const { token = "", audiences = [] } = (body["spec"] ?? {}) as TokenReviewSpec;
      if (token === "")
        throw invalid({ group: GROUP, plural: "tokenreviews", kind: "TokenReview" }, "", [requiredValue("spec.token")]);
      return audiences.length === 0
        ? reviewForServer(authenticator, tokens, token)
        : reviewFor(tokens, token, audiences);
    },
  };
}

async function reviewForServer(
  authenticator: Authenticator,
  tokens: ServiceAccountTokens,
  token: string,
): Promise<Record<string, unknown>> {
  try {
    const user = await authenticator.authenticate({ certificate: undefined, bearerToken: token });
    return user === undefined
      ? { authenticated: false }
      : { authenticated: true, user: toUserInfo(user), audiences: tokens.audiences };
  } catch (error) {
    if (error instanceof ApiError && error.reason === "Unauthorized")
      return { authenticated: false, error: "the token does not hold" };
    throw error;
  }
}

/** Only ServiceAccount tokens are meant for somebody. */
async function reviewFor(
  tokens: ServiceAccountTokens,
  token: string,
  audiences: readonly string[],
): Promise<Record<string, unknown>> {
  try {
    const checked = await tokens.check(token, audiences);
    return { authenticated: true, user: toUserInfo(checked.user), audiences: checked.audiences };
  } catch (error) {
    if (error instanceof TokenRefusedError) return { authenticated: false, error: error.message };
    throw error;
  }
}

interface TokenRequestSpec {
  readonly audiences?: readonly string[];
  readonly expirationSeconds?: number;
  readonly boundObjectRef?: {
    readonly kind?: string;
    readonly apiVersion?: string;
    readonly name?: string;
    readonly uid?: string;
  };
}

/** Reads an object as it is now; `undefined` only if it provably does not exist. */
export type GetObject = (namespace: string, name: string) => Promise<KubeObject | undefined>;

const SERVICE_ACCOUNT = { group: "", plural: "serviceaccounts", kind: "ServiceAccount" };

/** `kubectl create token NAME`. */
export function tokenRequest(
  tokens: ServiceAccountTokens,
  deps: { readonly getServiceAccount: GetObject; readonly getSecret: GetObject },
): VirtualKind {
  return {
    group: "",
    version: "v1",
    plural: "serviceaccounts",
    subresource: "token",
    kind: "TokenRequest",
    bodyApiVersion: API_VERSION,
    namespaced: true,
    schema: kindSchema(
      "Asks for a token of a ServiceAccount.",
      {
        spec: record("What the token should be.", {
          audiences: listOf("For whom the token is meant; default is this server.", text("An audience.")),
          expirationSeconds: int64("How long it should hold, at least 600; default 3600."),
          boundObjectRef: objectReference("A Secret with whose deletion the token dies."),
        }),
        status: record("The answer, by the server.", {
          token: text("The token."),
          expirationTimestamp: time("When it expires."),
        }),
      },
      ["spec"],
    ),
    status: (request) => issue(tokens, deps, request),
  };
}

async function issue(
  tokens: ServiceAccountTokens,
  deps: { readonly getServiceAccount: GetObject; readonly getSecret: GetObject },
  { namespace, name, body }: VirtualRequest,
): Promise<Record<string, unknown>> {
  const spec = (body["spec"] ?? {}) as TokenRequestSpec;
  const refuse = (...errors: Parameters<typeof invalid>[2]) =>
    invalid({ group: GROUP, plural: "tokenrequests", kind: "TokenRequest" }, name, errors);
  const { expirationSeconds } = spec;
  if (expirationSeconds !== undefined && (expirationSeconds < 600 || expirationSeconds > 2 ** 32)) {
    throw refuse(
      invalidValue(
        "spec.expirationSeconds",
        expirationSeconds,
        "may not be less than 10 minutes or more than 2^32 seconds",
      ),
    );
  }
  const serviceAccount = await deps.getServiceAccount(namespace, name);
  if (serviceAccount === undefined) throw notFound(SERVICE_ACCOUNT, name);
  const secret = await boundSecret(spec.boundObjectRef, namespace, deps.getSecret, refuse);
  const issued = await tokens.issue({ serviceAccount, audiences: spec.audiences ?? [], expirationSeconds, secret });
  return { token: issued.token, expirationTimestamp: formatTime(issued.expires) };
}

async function boundSecret(
  ref: TokenRequestSpec["boundObjectRef"],
  namespace: string,
  getSecret: GetObject,
  refuse: (...errors: Parameters<typeof invalid>[2]) => ApiError,
): Promise<{ name: string; uid: string } | undefined> {
  if (ref === undefined) return undefined;
  if (ref.kind !== "Secret" || (ref.apiVersion ?? "v1") !== "v1") {
    throw refuse(
      invalidValue(
        "spec.boundObjectRef.kind",
        ref.kind ?? "",
        "only a Secret of v1 can be bound: there are no pods and nodes",
      ),
    );
  }
  const found = await getSecret(namespace, ref.name ?? "");
  if (found === undefined) throw notFound({ group: "", plural: "secrets", kind: "Secret" }, ref.name ?? "");
  const { uid = "" } = found.metadata;
  if (ref.uid !== undefined && ref.uid !== "" && ref.uid !== uid) {
    throw new ApiError(
      "Conflict",
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { name: ref.name ?? "", uid };
}
