import type { Logger } from "./log.ts";

/** What the loop does next. A thrown error means "again, with back-off", unless it says that trying again can't help. */
export type Result =
  | { readonly kind: "done" }
  | { readonly kind: "requeueAfter"; readonly ms: number; readonly why: string };

/** Nothing more to do until something that is watched changes. */
export const done: Result = { kind: "done" };

/** Look again after `ms`, whatever happens meanwhile; `why` goes to the log. */
export const requeueAfter = (ms: number, why: string): Result => ({ kind: "requeueAfter", ms, why });

/** The object to look at: a name only, so that many changes fold into one pass. `namespace` is "" for cluster scope. */
export interface Request {
  readonly namespace: string;
  readonly name: string;
}

export interface ReconcileContext {
  /** Carries controller, key and reconcileId already. */
  readonly log: Logger;
  /** Fires at shutdown and when the pass takes too long. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

/** One pass over one object. Level-triggered: nothing is remembered between passes that cannot be observed again. */
export type Reconcile = (context: ReconcileContext, request: Request) => Promise<Result>;

/** `namespace/name`, or just `name` in cluster scope: the form used as a key and in logs. */
export function requestKey(request: Request): string {
  return request.namespace === "" ? request.name : `${request.namespace}/${request.name}`;
}

/** The inverse of `requestKey`. */
export function parseRequestKey(key: string): Request {
  const slash = key.indexOf("/");
  return slash < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
