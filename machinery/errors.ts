/**
 * Base of every error this project throws on purpose. Anything else that reaches a loop is a bug and is logged as one.
 * `reason` is CamelCase and serves the error class, the condition, the Event and the metric label alike.
 */
export abstract class OperatorError extends Error {
  abstract readonly reason: string;
  /** `never`: trying again cannot help until the object changes. */
  readonly retry: "backoff" | "never" = "backoff";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The object itself must change before another try makes sense (a wrong field, a refused request). */
export class TerminalError extends OperatorError {
  override readonly retry = "never";
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
