/** The status codes of gRPC that a call can end with (grpc/grpc, doc/statuscodes.md). */
export const STATUS_NAMES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;
export type StatusName = (typeof STATUS_NAMES)[number];

/** A call that did not end with OK. */
export class RpcError extends Error {
  readonly status: StatusName;
  /** False: the request has provably not reached the other side, so that it has done nothing. */
  readonly sent: boolean;

  constructor(status: StatusName, text: string, options: ErrorOptions & { readonly sent: boolean }) {
    super(`${status}: ${text}`, options);
    this.name = "RpcError";
    this.status = status;
    this.sent = options.sent;
  }
}

/** What ended a call, from its last headers; `undefined`: it is OK. */
export function errorOf(headers: Readonly<Record<string, unknown>>): RpcError | undefined {
  const code = headers["grpc-status"];
  if (code === "0") return undefined;
  // A number beyond the list is UNKNOWN, by the specification; so is none at all.
  const status = STATUS_NAMES[Number(code || -1)] ?? "UNKNOWN";
  const text = headers["grpc-message"];
  return new RpcError(status, typeof text === "string" ? decodeText(text) : "", { sent: true });
}

/** `grpc-message` is percent-encoded; what is not is shown as it came. */
function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
