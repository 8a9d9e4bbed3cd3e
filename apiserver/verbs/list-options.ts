import type { Random } from "../../machinery/random.ts";
import { isTrue } from "../http/request-info.ts";
import { ApiError, badRequest } from "../status.ts";
import { invalidOptions } from "./options.ts";

export interface ListOptions {
  /** 0: no limit. */
  readonly limit: number;
  readonly continue: string;
  /** `undefined`: the newest; 0: any. */
  readonly revision: number | undefined;
  readonly match: "NotOlderThan" | "Exact" | undefined;
}

/** Throws BadRequest or Invalid, by the rules of metav1 ListOptions. */
export function parseListOptions(query: URLSearchParams): ListOptions {
  const limit = parseLimit(query.get("limit"));
  checkTimeout(query.get("timeoutSeconds"));
  const token = query.get("continue") ?? "";
  const revision = parseRevision(query.get("resourceVersion"));
  const match = parseMatch(query.get("resourceVersionMatch"));
  if (isPresent(query, "sendInitialEvents")) {
    throw refuse("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list", "FieldValueForbidden");
  }
  if (match !== undefined && revision === undefined) {
    throw refuseMatch("resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (match !== undefined && token !== "")
    throw refuseMatch("resourceVersionMatch is forbidden when continue is provided");
  if (match === "Exact" && revision === 0) {
    throw refuseMatch('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (token !== "" && revision !== undefined && revision !== 0) {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  return { limit, continue: token, revision, match };
}

export interface WatchOptions {
  readonly revision: number | undefined;
  readonly bookmarks: boolean;
  /** The current state first, as ADDED events, whatever the revision. */
  readonly sendInitialEvents: boolean;
  readonly timeoutMs: number;
}

const MIN_TIMEOUT_MS = 1_800_000;

/** Without `timeoutSeconds` a watch lasts 30 to 60 minutes, so that not all of them end at once. */
export function parseWatchOptions(query: URLSearchParams, random: Random): WatchOptions {
  const revision = parseRevision(query.get("resourceVersion"));
  const match = parseMatch(query.get("resourceVersionMatch"));
  const initial = isPresent(query, "sendInitialEvents");
  if (initial && match !== "NotOlderThan") {
    throw refuseMatch("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (!initial && match !== undefined) {
    throw refuseMatch("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  const timeoutSeconds = parseInteger("timeoutSeconds", query.get("timeoutSeconds")) ?? 0;
  return {
    revision,
    bookmarks: isTrue(query.get("allowWatchBookmarks")),
    sendInitialEvents: initial && isTrue(query.get("sendInitialEvents")),
    timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : MIN_TIMEOUT_MS * (1 + random.next()),
  };
}

const isPresent = (query: URLSearchParams, name: string): boolean => (query.get(name) ?? "") !== "";

/** Less than nothing is no limit, as with a kube-apiserver: `kubectl get --chunk-size=-1` asks for it. */
function parseLimit(text: string | null): number {
  return /^-\d+$/.test(text ?? "") ? 0 : (parseInteger("limit", text) ?? 0);
}

/** Of a list: lists end long before any time-out that can be asked for, but what is no number is refused. */
function checkTimeout(text: string | null): void {
  if (!/^-\d+$/.test(text ?? "")) parseInteger("timeoutSeconds", text);
}

function parseInteger(name: string, text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw badRequest(`${name} must be a whole number that is not negative, found ${JSON.stringify(text)}`);
  }
  return value;
}

function parseRevision(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  const revision = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision)) return revision;
  throw refuse(
    "resourceVersion",
    `Invalid value: ${JSON.stringify(text)}: must be a whole number`,
    "FieldValueInvalid",
  );
}

function parseMatch(text: string | null): ListOptions["match"] {
  if (text === null || text === "") return undefined;
  if (text === "NotOlderThan" || text === "Exact") return text;
  const message = `Unsupported value: ${JSON.stringify(text)}: supported values: "Exact", "NotOlderThan", ""`;
  throw refuse("resourceVersionMatch", message, "FieldValueNotSupported");
}

const refuse = (
  field: string,
  message: string,
  reason: "FieldValueForbidden" | "FieldValueInvalid" | "FieldValueNotSupported",
) => invalidOptions("ListOptions", field, message, reason);

const refuseMatch = (why: string) => refuse("resourceVersionMatch", `Forbidden: ${why}`, "FieldValueForbidden");

/** The client knows a revision that this server's store has not reached. */
export function tooLargeRevision(requested: number, current: number): ApiError {
  return new ApiError("Timeout", `Too large resource version: ${requested}, current: ${current}`, {
    details: {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  });
}

export const tooOldRevision = (requested: number, oldest: number): ApiError =>
  new ApiError("Expired", `too old resource version: ${requested} (${oldest})`);
