import { describe, expect, it } from "vitest";
import { simulate } from "./run.ts";
import { renderFailure, shrink } from "./shrink.ts";

/** As many lives as this time is enough for. */
const FOR_MS = 25_000;
const AT_LEAST = 5;
/** All of these have been seen to end well; the others are for `hack/simulate`. */
const AT_MOST = 400;

describe("two hosts, whatever fails", () => {
  it("lose no acknowledged write and never write twice", { timeout: 300_000 }, async () => {
    const stuck: string[] = [];
    let acknowledged = 0;
    let seed = 0;
    for (const startedMs = performance.now(); seed < AT_MOST; ) {
      if (seed >= AT_LEAST && performance.now() - startedMs > FOR_MS) break;
      const outcome = await simulate(++seed);
      if (outcome.violation !== undefined) expect.fail(renderFailure(await shrink(outcome)));
      stuck.push(...outcome.stuck.map((name) => `seed ${seed}: ${name}`));
      acknowledged += outcome.acknowledged;
    }
    // An administrator who does what the conditions ask for gets every mirror back.
    expect(stuck).toEqual([]);
    // A run in which nobody writes proves nothing.
    expect(acknowledged).toBeGreaterThan(seed * 30);
  });

  it("live the same life again from the same seed", { timeout: 120_000 }, async () => {
    const [first, second] = [await simulate(3), await simulate(3)];
    expect(second.lines).toEqual(first.lines);
  });
});
