import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  compareQuantities,
  formatBytes,
  formatQuantity,
  parseBytes,
  parseQuantity,
  QuantityError,
} from "../../../machinery/quantity.ts";

describe("canonical form", () => {
  test.each([
    ["1", "1"],
    ["0", "0"],
    ["-0", "0"],
    ["+5", "5"],
    ["1000", "1k"],
    ["1024", "1024"],
    ["1024Mi", "1Gi"],
    ["0.5Gi", "512Mi"],
    ["1.5Gi", "1536Mi"],
    ["1000Ki", "1000Ki"],
    ["1Ki", "1Ki"],
    ["0.1Ki", "102400m"],
    ["0.5", "500m"],
    ["1500m", "1500m"],
    [".25", "250m"],
    ["1.", "1"],
    ["1E", "1E"],
    ["1e3", "1e3"],
    ["1E3", "1e3"],
    ["1e-3", "1e-3"],
    ["12345e-2", "123450e-3"],
    ["0.1n", "1n"],
    ["-0.1n", "-1n"],
    ["-1Ki", "-1Ki"],
    ["9999999999E", "9223372036854775807"],
    ["16Ei", "9223372036854775807"],
  ])("%s is %s", (text, canonical) => {
    expect(formatQuantity(parseQuantity(text))).toBe(canonical);
  });
});

test.each(["", "Gi", "1GiB", "1 Gi", " 1", "--1", "1e", "1e+", "1.2.3", "0x10", "1,5", "١", "1e9999"])(
  "refuses %j and says so",
  (text) => {
    expect(() => parseQuantity(text)).toThrow(QuantityError);
    expect(() => parseQuantity(text)).toThrow(JSON.stringify(text));
  },
);

it("compares by value, whatever the suffix", () => {
  expect(compareQuantities("1Gi", "1024Mi")).toBe(0);
  expect(compareQuantities("1G", "1Gi")).toBe(-1);
  expect(compareQuantities("1001m", "1")).toBe(1);
});

describe("bytes", () => {
  it("are exact", () => {
    expect(parseBytes("4Mi")).toBe(4 * 2 ** 20);
    expect(parseBytes("0.5Ki")).toBe(512);
    expect(formatBytes(3 * 2 ** 30)).toBe("3Gi");
    expect(formatBytes(1500)).toBe("1500");
  });

  test.each([
    ["1500m", "not a whole number of bytes"],
    ["-1Gi", "negative"],
    ["9Pi", "above 8 PiB"],
  ])("%s is refused: %s", (text, why) => {
    expect(() => parseBytes(text)).toThrow(why);
  });

  it("survive being written and read", () => {
    fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (size) => parseBytes(formatBytes(size)) === size));
  });
});

it("keeps the value in its canonical form", () => {
  const number = fc.stringMatching(/^-?[0-9]{1,9}(\.[0-9]{1,9})?$/);
  const suffix = fc.constantFrom("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3", "e0");
  fc.assert(
    fc.property(number, suffix, (digits, unit) => {
      const { nano, format } = parseQuantity(digits + unit);
      // Binary amounts above 1024 are rounded up to whole units when they are written: apimachinery does the same.
      fc.pre(format !== "BinarySI" || nano % 10n ** 9n === 0n);
      expect(parseQuantity(formatQuantity({ nano, format })).nano).toBe(nano);
    }),
  );
});
