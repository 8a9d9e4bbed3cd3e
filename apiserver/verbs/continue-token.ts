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

const refuse = (why: string) => badRequest(`invalid continue token: continue key is not valid${why}`);

/** Throws BadRequest for what `encodeContinue` did not make. */
export function decodeContinue(text: string): ContinueToken {
  const { v, rv, start } = parseToken(text);
  if (v !== VERSION) throw refuse(`: server does not recognize this encoded version ${String(v)}`);
  const revisionFits = typeof rv === "number" && Number.isSafeInteger(rv) && (rv > 0 || rv === INCONSISTENT);
  if (!revisionFits) throw refuse(`: incorrect encoded start resourceVersion (version ${VERSION})`);
  if (typeof start !== "string" || start === "") throw refuse(`: encoded start key empty (version ${VERSION})`);
  if (start.split("/").includes("..")) throw refuse(`: ${start}`);
  return { revision: rv === INCONSISTENT ? undefined : rv, after: start.replace(/\0$/, "") };
}

function parseToken(text: string): { v?: unknown; rv?: unknown; start?: unknown } {
  if (!/^[\w-]*$/.test(text)) throw refuse(": it is not base64url");
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8")) ?? {};
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw refuse(": it does not hold JSON");
  }
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
