import { describeFault, type Fault } from "./faults.ts";
import { type Outcome, simulate } from "./run.ts";

/** The shortest list of faults found that still breaks a promise: one after the other is left out. */
export async function shrink(failed: Outcome): Promise<Outcome> {
  let shortest = failed;
  for (let index = shortest.faults.length - 1; index >= 0; index--) {
    const faults: readonly Fault[] = shortest.faults.filter((_, at) => at !== index);
    const outcome = await simulate(failed.seed, { faults });
    if (outcome.violation !== undefined) shortest = outcome;
  }
  return shortest;
}

const LINES_SHOWN = 60;

/** What a person needs to see of a broken promise. */
export function renderFailure({ seed, violation, faults, lines }: Outcome): string {
  return [
    `seed ${seed}: ${violation?.message ?? "no violation"}`,
    ...faults.map((fault) => `  ${describeFault(fault)}`),
    ...lines.slice(-LINES_SHOWN),
  ].join("\n");
}
