import { OperatorError } from "../machinery/errors.ts";
import type { JsonObject } from "../machinery/object.ts";

/** `details` of a metav1.Status. */
export interface ApiStatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  readonly retryAfterSeconds?: number;
}

/** The API answered, and refused: nothing was changed. */
export class ApiStatusError extends OperatorError {
  readonly code: number;
  /** Status.reason, such as `NotFound`, `Conflict`, `Expired`. */
  readonly reason: string;
  readonly details: ApiStatusDetails;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(answer: {
    readonly code: number;
    readonly reason: string;
    readonly message: string;
    readonly details?: ApiStatusDetails;
    readonly retryAfterMs?: number | undefined;
  }) {
    super(answer.message);
    this.code = answer.code;
    this.reason = answer.reason;
    this.details = answer.details ?? {};
    this.retryAfterMs = answer.retryAfterMs;
  }
}

/** No answer, or not all of it. */
export class ConnectionError extends OperatorError {
  readonly reason = "ApiUnreachable";
  /** `unknown`: the request may have been carried out. A writer must read before it decides anything. */
  readonly outcome: "not-sent" | "unknown";

  constructor(message: string, outcome: "not-sent" | "unknown", options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
}

/** The peer answers something that is not the Kubernetes API. */
export class ProtocolError extends OperatorError {
  readonly reason = "NotKubernetes";
}

/** A watch that brought no byte for so long that it must be taken for dead. */
export class SilentWatchError extends OperatorError {
  readonly reason = "WatchSilent";
}

const hasReason = (error: unknown, reason: string): error is ApiStatusError =>
  error instanceof ApiStatusError && error.reason === reason;

export const isNotFound = (error: unknown): error is ApiStatusError => hasReason(error, "NotFound");
export const isAlreadyExists = (error: unknown): error is ApiStatusError => hasReason(error, "AlreadyExists");
export const isConflict = (error: unknown): error is ApiStatusError => hasReason(error, "Conflict");

/** 410: the asked revision is gone from history; only a new list helps. */
export const isExpired = (error: unknown): error is ApiStatusError =>
  error instanceof ApiStatusError && error.code === 410;

/** Reason of a status code, for answers that are no Status. */
const REASONS: Record<number, string> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/**
 * The error in a refused answer's body: a metav1.Status, or whatever a proxy in between said (its first 200
 * characters). `retryAfter` is the header of that name.
 */
export function statusError(code: number, body: string, retryAfter?: string): ApiStatusError {
  const status = parseStatus(body);
  const seconds = Number(retryAfter ?? status?.details?.retryAfterSeconds);
  return new ApiStatusError({
    code: status?.code ?? code,
    reason: status?.reason || REASONS[code] || "Unknown",
    message: status?.message || `HTTP ${code}: ${body.slice(0, 200).trim() || "no text"}`,
    ...(status?.details === undefined ? {} : { details: status.details }),
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
  });
}

interface StatusBody {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: ApiStatusDetails;
}

function parseStatus(body: string): StatusBody | undefined {
  try {
    const parsed: JsonObject | null = JSON.parse(body);
    return parsed?.kind === "Status" ? parsed : undefined;
  } catch {
    return undefined; // not JSON: the caller shows the text
  }
}
