import { describe, expect, it } from "vitest";
import { simulate } from "./run.ts";
import { renderFailure, shrink } from "./shrink.ts";

const SEEDS = 12;

describe("two hosts, whatever fails", () => {
  it(`lose no acknowledged write and never write twice, in ${SEEDS} lives`, { timeout: 120_000 }, async () => {
    const stuck: string[] = [];
    let acknowledged = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await simulate(seed);
      if (outcome.violation !== undefined) expect.fail(renderFailure(await shrink(outcome)));
      stuck.push(...outcome.stuck.map((name) => `seed ${seed}: ${name}`));
      acknowledged += outcome.acknowledged;
    }
    expect(stuck, "mirrors that nobody could write to after everything was mended").toEqual([]);
    // A run in which nobody writes proves nothing.
    expect(acknowledged).toBeGreaterThan(SEEDS * 100);
  });

  it("live the same life again from the same seed", { timeout: 60_000 }, async () => {
    const [first, second] = [await simulate(3), await simulate(3)];
    expect(second.lines).toEqual(first.lines);
  });
});
