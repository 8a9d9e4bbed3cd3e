import { expect, it } from "vitest";
import { Locks } from "../../../machinery/locks.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("one at a time holds a name, in the order of asking, also after a failure", async () => {
  const locks = new Locks();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = locks.holding(["a"], async () => {
    seen.push("first in");
    await gate.promise;
    seen.push("first out");
    throw new Error("it failed");
  });
  const second = locks.holding(["a"], async () => void seen.push("second"));
  const other = locks.holding(["b"], async () => void seen.push("other"));
  await other;
  expect(seen).toEqual(["first in", "other"]);
  gate.resolve();
  await expect(first).rejects.toThrow("it failed");
  await second;
  expect(seen).toEqual(["first in", "other", "first out", "second"]);
});

it("several names are held together, and two that want the same in another order do not block each other", async () => {
  const locks = new Locks();
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await turn();
    inside--;
  };
  await Promise.all([
    locks.holding(["a", "b"], work),
    locks.holding(["b", "a"], work),
    locks.holding(["b", "b"], work),
    locks.holding(["a"], work).then(() => locks.holding(["b"], work)),
  ]);
  expect({ inside, most: most <= 2 }).toEqual({ inside: 0, most: true });
  const both = Promise.withResolvers<void>();
  const held = locks.holding(["a", "b"], () => both.promise);
  let entered = false;
  const waits = locks.holding(["b"], async () => {
    entered = true;
  });
  await turn();
  expect(entered).toBe(false);
  both.resolve();
  await Promise.all([held, waits]);
  expect(entered).toBe(true);
});
