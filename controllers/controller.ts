import { ApiStatusError, isConflict } from "../client/errors.ts";
import type { BackoffPolicy } from "../machinery/backoff.ts";
import type { Clock } from "../machinery/clock.ts";
import { deadline } from "../machinery/deadline.ts";
import { OperatorError } from "../machinery/errors.ts";
import type { Logger } from "../machinery/log.ts";
import { type Random, uuid } from "../machinery/random.ts";
import { parseRequestKey, type Reconcile, type Request, requestKey } from "../machinery/result.ts";
import { WorkQueue } from "../machinery/work-queue.ts";

export interface ControllerOptions {
  /** Lower case; `controller` in logs and metrics. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Objects worked on at a time; 1 when absent. */
  readonly concurrency?: number;
  /** After it the signal of a pass fires; the pass still ends by itself. 2 minutes when absent. */
  readonly passTimeoutMs?: number;
  readonly backoff?: BackoffPolicy;
}

const PASS_TIMEOUT_MS = 120_000;

/** Decides when to reconcile: on request, again with back-off after an error, again when the reconciler asks for it. */
export class Controller {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #log: Logger;
  readonly #queue: WorkQueue;
  readonly #shutdown = new AbortController();

  constructor(options: ControllerOptions) {
    const { name, clock, random, concurrency, backoff } = options;
    this.name = name;
    this.#options = options;
    this.#log = options.log.child({ controller: name });
    this.#queue = new WorkQueue({
      clock,
      random,
      work: (key) => this.#work(key),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(backoff === undefined ? {} : { backoff }),
    });
  }

  /** `afterMs`: it is not urgent; what waits already for an earlier time keeps that. */
  enqueue(request: Request, afterMs = 0): void {
    this.#queue.addAfter(requestKey(request), afterMs);
  }

  /** Requests are taken before; they are worked on from here. */
  start(): void {
    this.#queue.start();
  }

  /** Fires the signal of running passes, drops what waits, and resolves when the last pass has ended. */
  async stop(): Promise<void> {
    this.#shutdown.abort(new Error("the controller stops"));
    await this.#queue.shutDown();
  }

  async #work(key: string): Promise<void> {
    if (this.#shutdown.signal.aborted) return;
    const { clock, random, reconcile, passTimeoutMs = PASS_TIMEOUT_MS } = this.#options;
    const log = this.#log.child({ key, reconcileId: uuid(random) });
    const limit = deadline(clock, passTimeoutMs, `${this.name} ${key}`, this.#shutdown.signal);
    try {
      const context = { log, signal: limit.signal, now: () => clock.now() };
      const result = await reconcile(context, parseRequestKey(key));
      this.#queue.forget(key);
      if (result.kind === "done") return;
      log.debug({ afterMs: result.ms, why: result.why }, "will look again");
      this.#queue.addAfter(key, result.ms);
    } catch (err) {
      this.#failed(key, err, log);
    } finally {
      limit.cancel();
    }
  }

  #failed(key: string, err: unknown, log: Logger): void {
    if (this.#shutdown.signal.aborted) return log.debug({ err }, "stopped in the middle of a pass");
    if (err instanceof OperatorError && err.retry === "never") {
      this.#queue.forget(key);
      return log.error({ err }, "gives up until the object changes");
    }
    const asked = err instanceof ApiStatusError ? err.retryAfterMs : undefined;
    const retryMs = Math.round(this.#queue.addRateLimited(key, asked));
    const failures = this.#queue.failures(key);
    // Somebody else wrote first: the usual case of optimistic locking, until it repeats.
    if (isConflict(err) && failures < 3) return log.debug({ err, retryMs }, "lost a race");
    if (err instanceof OperatorError) return log.warn({ err, retryMs, failures }, "pass failed");
    log.error({ err, retryMs, failures }, "pass failed with an unexpected error");
  }
}
