import { ApiError } from "../status.ts";
import {
  CacheBehindError,
  CorruptValueError,
  ExpiredError,
  FutureRevisionError,
  StorageUnavailableError,
  SlowConsumerError,
  ValueTooLargeError,
} from "../storage/errors.ts";
import { tooLargeRevision, tooOldRevision } from "../verbs/list-options.ts";
import { type HttpResponse, jsonResponse } from "./exchange.ts";

/** Whatever a verb threw, in the words of the API. The storage's own errors end here. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof ExpiredError) return tooOldRevision(error.requested, error.compactRevision);
  if (error instanceof FutureRevisionError) return tooLargeRevision(error.requested, 0);
  if (error instanceof SlowConsumerError) return new ApiError("Expired", error.message, { cause: error });
  if (error instanceof CacheBehindError)
    return unavailable(new StorageUnavailableError(error.message, { applied: "no", cause: error }));
  if (error instanceof ValueTooLargeError)
    return new ApiError("RequestEntityTooLarge", error.message, { cause: error });
  if (error instanceof CorruptValueError) return new ApiError("InternalError", error.message, { cause: error });
  if (error instanceof StorageUnavailableError) return unavailable(error);
  const message = `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`;
  const causes = [{ reason: "UnexpectedServerResponse", message }];
  return new ApiError("InternalError", message, { cause: error, details: { causes } });
}

/** Clients may send again by themselves what surely was not done; the rest is for them to look at. */
function unavailable(error: StorageUnavailableError): ApiError {
  if (error.applied === "unknown") {
    const message = `the store did not confirm the write, it may have been done: ${error.message}`;
    return new ApiError("Timeout", message, { cause: error });
  }
  return new ApiError("ServiceUnavailable", `the store is not available: ${error.message}`, {
    cause: error,
    details: { retryAfterSeconds: 1 },
  });
}

export function errorResponse(error: ApiError): HttpResponse {
  const retryAfter = error.details?.retryAfterSeconds;
  return jsonResponse(
    error.code,
    error.toStatus(),
    retryAfter === undefined ? {} : { "retry-after": String(retryAfter) },
  );
}
