import type { Clock } from "../../machinery/clock.ts";
import type { AuditLog, SentObject } from "../access/audit.ts";
import type { Attributes, User } from "../access/types.ts";
import { ANONYMOUS } from "../access/users.ts";
import type { Metrics } from "../metrics.ts";
import type { ApiError } from "../status.ts";
import type { HttpRequest } from "./exchange.ts";
import type { RequestInfo } from "./request-info.ts";

/** What becomes known of a request on its way: for the audit log and the metrics. */
export interface Progress {
  readonly auditId: string;
  readonly receivedAt: Date;
  readonly startMs: number;
  /** Absent: not even the path could be read. */
  info: RequestInfo | undefined;
  user: User;
  impersonated: User | undefined;
  attributes: Attributes | undefined;
  /** The object in the body, once it could be read. */
  sent: SentObject | undefined;
  /** Why the authorizer decided as it did. */
  reason: string;
  /** The path is one of ours. */
  known: boolean;
}

export const startProgress = (auditId: string, clock: Clock): Progress => ({
  auditId,
  receivedAt: clock.now(),
  startMs: clock.monotonicMs(),
  info: undefined,
  user: ANONYMOUS,
  impersonated: undefined,
  attributes: undefined,
  sent: undefined,
  reason: "",
  known: false,
});

export interface Observers {
  readonly metrics: Metrics;
  readonly audit: Pick<AuditLog, "record"> | undefined;
  readonly clock: Clock;
}

/** Counts an answered request and writes it down. `failure`: what it was refused with. */
export function noteAnswer(
  { metrics, audit, clock }: Observers,
  request: HttpRequest,
  progress: Progress,
  status: number,
  failure: ApiError | undefined,
): void {
  const { info, attributes } = progress;
  if (info !== undefined) metrics.observe(info, progress.known, status, clock.monotonicMs() - progress.startMs);
  if (attributes === undefined) return;
  const { auditId, user, impersonated, reason, receivedAt } = progress;
  audit?.record({
    auditId,
    user,
    impersonated,
    attributes,
    sent: progress.sent,
    requestUri: request.query.size === 0 ? request.path : `${request.path}?${request.query.toString()}`,
    sourceIps: [request.remoteAddress],
    userAgent: request.header("user-agent") ?? "",
    receivedAt,
    answeredAt: clock.now(),
    responseCode: status,
    responseReason: failure?.reason,
    decision: failure?.reason === "Forbidden" ? "forbid" : "allow",
    reason,
  });
}
