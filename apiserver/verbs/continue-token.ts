import { ApiError, badRequest } from "../status.ts";

/** Where the next page of a list starts. */
export interface ContinueToken {
  /** Revision of the first page; `undefined`: the state now, consistent with no other page. */
  readonly revision: number | undefined;
  /** Only keys behind this one, relative to the collection's prefix. */
  readonly after: string;
}

const VERSION = "meta.k8s.io/v1";
const INCONSISTENT = -1;

/** The form of kube-apiserver's tokens, so that they survive a change of server. */
export function encodeContinue({ revision, after }: ContinueToken): string {
  const token = { v: VERSION, rv: revision ?? INCONSISTENT, start: `${after}\u0000` };
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

/** Throws BadRequest for what `encodeContinue` did not make. */
export function decodeContinue(text: string): ContinueToken {
  let token: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    token = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) ?? {};
  } catch (cause) {
    throw badRequest(`continue key is not valid: ${String(cause)}`);
  }
  const { v, rv, start } = token;
  if (v !== VERSION)
    throw badRequest(`continue key is not valid: server does not recognize this encoded version ${String(v)}`);
  const revisionFits = typeof rv === "number" && Number.isSafeInteger(rv) && (rv > 0 || rv === INCONSISTENT);
  if (!revisionFits) throw badRequest("continue key is not valid: incorrect encoded start resourceVersion");
  if (typeof start !== "string" || start === "" || start.split("/").includes("..")) {
    throw badRequest("continue key is not valid: encoded start key is missing or leaves the collection");
  }
  return { revision: rv === INCONSISTENT ? undefined : rv, after: start.replace(/\0$/, "") };
}

const TOO_OLD =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
  "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. " +
  "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or " +
  "deleted between the time the first chunk was returned and now may show up in the list.";

/** The revision of the token is gone: the answer carries a token that goes on from the same key, in the state now. */
export function continueExpired({ after }: ContinueToken): ApiError {
  return new ApiError("Expired", TOO_OLD, { listMeta: { continue: encodeContinue({ revision: undefined, after }) } });
}
