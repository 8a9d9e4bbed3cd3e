/** Runs the simulation: many seeds, one seed with its trace, or the mutations of the protocol. */
import { parseArgs } from "node:util";
import { faultKind } from "../test/simulation/faults.ts";
import { faultsOf, simulate } from "../test/simulation/run.ts";
import { renderFailure, shrink } from "../test/simulation/shrink.ts";
import { checkMutations } from "./mutations/run.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string", default: "1" },
    mutations: { type: "boolean", default: false },
    kinds: { type: "string" },
    only: { type: "string", default: "" },
    "stop-at-first": { type: "boolean", default: false },
  },
});

const kinds = values.kinds?.split(";").map((name) => faultKind(name.trim()));

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function one(seed: number): Promise<boolean> {
  const outcome = await simulate(seed, { verbose: true, faults: faultsOf(seed, kinds) });
  say(`seed ${seed}: ${outcome.acknowledged} writes acknowledged, stuck: ${outcome.stuck.join(", ") || "none"}`);
  for (const line of outcome.remains) say(line);
  if (outcome.violation !== undefined) say(renderFailure(await shrink(outcome)));
  return outcome.violation === undefined;
}

interface Totals {
  violations: number;
  stuck: number;
  excused: number;
  givenUp: number;
  /** Lives in which an administrator had to say which copy counts. */
  words: number;
  acknowledged: number;
}

async function many(from: number, count: number): Promise<boolean> {
  const totals: Totals = { violations: 0, stuck: 0, excused: 0, givenUp: 0, words: 0, acknowledged: 0 };
  const startedMs = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed, { faults: faultsOf(seed, kinds) });
    totals.acknowledged += outcome.acknowledged;
    totals.excused += outcome.excused;
    totals.givenUp += outcome.givenUp;
    if (outcome.words > 0) totals.words++;
    if (outcome.stuck.length > 0) {
      totals.stuck++;
      if (values["stop-at-first"]) {
        say(`seed ${seed}: stuck: ${outcome.stuck.join(", ")}`); // read by hack/mutations/run.ts
        return false;
      }
      say(`seed ${seed}: nobody could write to ${outcome.stuck.join(", ")} although everything was mended`);
      for (const line of outcome.remains) say(`  ${line}`);
    }
    if (outcome.violation === undefined) continue;
    totals.violations++;
    if (values["stop-at-first"]) {
      say(`seed ${seed}: ${outcome.violation.message}`); // read by hack/mutations/run.ts
      return false;
    }
    say(renderFailure(await shrink(outcome)));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  say(
    `${count} seeds in ${seconds.toFixed(0)} s (${(count / seconds).toFixed(1)} a second): ${totals.violations} broke a promise, ` +
      `${totals.stuck} stayed stuck, ${totals.acknowledged} writes acknowledged, ${totals.excused} writes went with the last disk, ` +
      `an administrator was asked in ${totals.words} lives, whose word cost ${totals.givenUp} writes`,
  );
  return totals.violations === 0;
}

const count = Number(values.seeds ?? (values.mutations ? 60 : 100));
const well = values.mutations
  ? await checkMutations(count, values.only, say)
  : values.seed === undefined
    ? await many(Number(values.from), count)
    : await one(Number(values.seed));
process.exit(well ? 0 : 1);
