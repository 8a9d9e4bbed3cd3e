import { expect, test } from "vitest";
import { parseDuration } from "../../../machinery/duration.ts";

test.each([
  ["90s", 90_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1500],
  ["250ms", 250],
  ["1m", 60_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "10", "s", "-5s", "1d", "5 s", "1e3s"])("refuses %j", (text) => {
  expect(() => parseDuration(text)).toThrow(/duration/);
});
