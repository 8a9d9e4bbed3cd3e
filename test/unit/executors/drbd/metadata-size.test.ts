import fc from "fast-check";
import { expect, it } from "vitest";
import { backingBytes, internalMetadataBytes } from "../../../../executors/drbd/metadata-size.ts";

const MIB = 2 ** 20;

it("takes 32 MiB and a bit for 1 TiB, as the User's Guide says", () => {
  expect(internalMetadataBytes(2 ** 40) / MIB).toBeCloseTo(32.04, 1);
});

it("leaves exactly enough: a unit less would not hold the data", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 44 }), fc.constantFrom(4096, 4 * MIB, 64 * MIB), (usable, unit) => {
      const size = backingBytes(usable, unit);
      expect(size % unit).toBe(0);
      expect(size - internalMetadataBytes(size)).toBeGreaterThanOrEqual(usable);
      expect(size - unit - internalMetadataBytes(Math.max(0, size - unit))).toBeLessThan(usable);
    }),
  );
});
