import { StorageUnavailableError, ValueTooLargeError } from "../errors.ts";
import { RpcError, type StatusName } from "./rpc/status.ts";

/** What a failed call means. */
export type Failure =
  /** It never left this process, or etcd refused it before it proposed it: trying again is safe. */
  | "notApplied"
  /** No answer, or an answer that says nothing about the outcome. */
  | "unknown"
  | "compacted"
  | "future"
  | "leaseGone"
  | "tooLarge"
  /** Anything else: a wrong password, a missing right, a full database. Trying again at once does not help. */
  | "refused";

/** etcd's own errors (api/v3rpc/rpctypes/error.go), and grpc-go's for a message beyond its limit. */
const TEXTS: readonly (readonly [RegExp, Failure])[] = [
  [/required revision has been compacted/, "compacted"],
  [/required revision is a future revision/, "future"],
  [/requested lease not found/, "leaseGone"],
  [/request is too large|message larger than max/, "tooLarge"],
  [/database space exceeded/, "refused"],
  [/too many requests|etcdserver: no leader/, "notApplied"],
  [/etcdserver: (request timed out|leader changed|server stopped)/, "unknown"],
];

const UNKNOWN: ReadonlySet<StatusName> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "INTERNAL",
  "UNKNOWN",
  "ABORTED",
  "DATA_LOSS",
  "RESOURCE_EXHAUSTED",
]);

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export function classify(error: unknown): Failure {
  if (!(error instanceof RpcError)) return "refused";
  if (!error.sent) return "notApplied";
  const said = TEXTS.find(([pattern]) => pattern.test(error.message))?.[1];
  return said ?? (UNKNOWN.has(error.status) ? "unknown" : "refused");
}

/** A call that etcd refused for a reason which only the caller can translate. */
export class EtcdRefusal extends Error {
  readonly failure: "compacted" | "future" | "leaseGone";
  constructor(failure: EtcdRefusal["failure"], cause: unknown) {
    super(textOf(cause), { cause });
    this.failure = failure;
  }
}

/** The error that the rest of the program sees. */
export function translate(error: unknown, call: { readonly writes: boolean }): Error {
  const failure = classify(error);
  if (failure === "compacted" || failure === "future" || failure === "leaseGone")
    return new EtcdRefusal(failure, error);
  if (failure === "tooLarge") {
    return new ValueTooLargeError(`etcd takes no value of this size: ${textOf(error)}`, { cause: error });
  }
  const applied = failure === "unknown" && call.writes ? "unknown" : "no";
  return new StorageUnavailableError(`etcd: ${textOf(error)}`, { applied, cause: error });
}
