import { expect, it } from "vitest";
import { seededRandom, uuid } from "../../machinery/random.ts";

it("repeats itself from the same seed", () => {
  const draw = () => {
    const random = seededRandom(7);
    return [random.next(), random.next(), uuid(random)];
  };
  expect(draw()).toEqual(draw());
});

it("makes version 4 UUIDs", () => {
  expect(uuid(seededRandom(1))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
