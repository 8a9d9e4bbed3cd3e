import type { Effect, Executor } from "./command/types.ts";

/** A fact whose wrong guess destroys data; `unknown` plans nothing. */
export type Known = "yes" | "no" | "unknown";

/** One technology. `observe` only reads; `plan` is pure and synchronous. */
export interface Driver<Desired, Observed> {
  observe(exec: Executor, signal: AbortSignal): Promise<Observed>;
  plan(desired: Desired, observed: Observed): Plan;
}

/** `why` serves Events, dry runs and logs. */
export interface Step {
  readonly why: string;
  readonly effect: Effect;
}

export type Plan =
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  | { readonly kind: "blocked"; readonly reason: string; readonly message: string };

/** Runs the steps and stops at the first failure; after a crash anywhere in here the next pass observes again. */
export async function apply(
  plan: Extract<Plan, { kind: "steps" }>,
  exec: Executor,
  signal: AbortSignal,
): Promise<void> {
  for (const { effect } of plan.steps) {
    if (effect.kind === "run") await exec.run(effect, signal);
    else await exec.write(effect, signal);
  }
}
