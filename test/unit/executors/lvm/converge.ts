import { expect } from "vitest";
import { TapeCut } from "../../../../executors/command/tape.ts";
import { apply, type Driver } from "../../../../executors/driver.ts";
import type { LvmModel } from "../../../../executors/model/lvm.ts";

const never = new AbortController().signal;

/** Passes until nothing is left to do; the reason when blocked. */
export async function converge<D, O>(driver: Driver<D, O>, desired: D, model: LvmModel): Promise<string> {
  for (let pass = 0; pass < 10; pass++) {
    const plan = driver.plan(desired, await driver.observe(model, never));
    if (plan.kind === "blocked") return plan.reason;
    if (plan.steps.length === 0) return "done";
    await apply(plan, model, never);
  }
  throw new Error(`still changing after 10 passes:\n${model.changes.join("\n")}`);
}

/**
 * Dies before every single change in turn, starts again, and must end as a run without a crash ends. `end` is what counts
 * about the end state.
 */
export async function survivesCrashes<D, O>(
  driver: Driver<D, O>,
  desired: D,
  world: () => LvmModel,
  end: (model: LvmModel) => unknown,
): Promise<void> {
  const whole = world();
  expect(await converge(driver, desired, whole)).toBe("done");
  expect(whole.changes.length).toBeGreaterThan(0);
  for (let cut = 0; cut < whole.changes.length; cut++) {
    const model = world();
    model.dieBefore = cut;
    await expect(converge(driver, desired, model)).rejects.toBeInstanceOf(TapeCut);
    model.dieBefore = Number.POSITIVE_INFINITY;
    expect(await converge(driver, desired, model), `cut before change ${cut}`).toBe("done");
    expect(end(model), `cut before change ${cut}`).toEqual(end(whole));
  }
}
