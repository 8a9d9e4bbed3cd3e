import { expect, it } from "vitest";
import { shutDown } from "../../../cli/shutdown.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { VirtualClock } from "../../../machinery/virtual-clock.ts";

function setUp() {
  const clock = new VirtualClock();
  const ended: string[] = [];
  const step = (name: string, stop: () => Promise<unknown> = () => Promise.resolve()) => ({
    name,
    withinMs: 1000,
    stop: async () => {
      await stop();
      ended.push(name);
    },
  });
  return { clock, ended, step };
}

it("ends everything in order", async () => {
  const { clock, ended, step } = setUp();
  expect(await shutDown([step("a"), step("b")], { clock, log: silentLogger })).toBe(true);
  expect(ended).toEqual(["a", "b"]);
  expect(clock.pending).toBe(0);
});

it("leaves behind what hangs or fails, and says so", async () => {
  const { clock, ended, step } = setUp();
  const hangs = step("hangs", () => new Promise(() => {}));
  const fails = step("fails", () => Promise.reject(new Error("no")));
  const result = shutDown([step("a"), hangs, fails, step("z")], { clock, log: silentLogger });
  await clock.advance(999);
  expect(ended).toEqual(["a"]);
  await clock.advance(1);
  expect(await result).toBe(false);
  expect(ended).toEqual(["a", "z"]);
  expect(clock.pending).toBe(0);
});
