import { apply, type Driver } from "../../executors/driver.ts";
import type { Executor } from "../../executors/command/types.ts";

const never = new AbortController().signal;

/** Passes until nothing is left to do; what was done, or the reason when blocked. */
export async function converge<D, O>(driver: Driver<D, O>, desired: D, exec: Executor): Promise<string[] | string> {
  const done: string[] = [];
  for (let pass = 0; pass < 12; pass++) {
    const plan = driver.plan(desired, await driver.observe(exec, never));
    if (plan.kind === "blocked") return plan.reason;
    if (plan.steps.length === 0) return done;
    await apply(plan, exec, never);
    done.push(...plan.steps.map(({ why }) => why));
  }
  throw new Error(`still changing after 12 passes:\n${done.join("\n")}`);
}
