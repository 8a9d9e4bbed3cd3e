import { expect, it } from "vitest";
import { RevisionSource } from "../../../../apiserver/storage/revision-source.ts";

/** A store whose answers are held back: `answer` gives the revision that the oldest open call has read. */
function heldBack() {
  const open: PromiseWithResolvers<number>[] = [];
  const source = new RevisionSource({
    currentRevision() {
      const call = Promise.withResolvers<number>();
      open.push(call);
      return call.promise;
    },
  });
  return { open, source };
}

it("shares the next call among all who ask during one, and never the one under way", async () => {
  const { open, source } = heldBack();
  const first = source.read();
  const later = [source.read(), source.read(), source.read()];
  expect(open).toHaveLength(1);
  open[0]?.resolve(10);
  expect(await first).toBe(10);
  expect(open).toHaveLength(2);
  open[1]?.resolve(11);
  expect(await Promise.all(later)).toEqual([11, 11, 11]);
});

it("asks again after a failed call", async () => {
  const { open, source } = heldBack();
  const first = source.read();
  const second = source.read();
  open[0]?.reject(new Error("away"));
  await expect(first).rejects.toThrow("away");
  open[1]?.resolve(12);
  expect(await second).toBe(12);
  const third = source.read();
  open[2]?.resolve(13);
  expect(await third).toBe(13);
});

it("never gives a later reader an answer of an earlier round", async () => {
  const { open, source } = heldBack();
  for (let round = 0; round < 3; round++) {
    const first = source.read();
    const second = source.read();
    open[2 * round]?.resolve(20 + 2 * round);
    expect(await first).toBe(20 + 2 * round);
    open[2 * round + 1]?.resolve(21 + 2 * round);
    expect(await second).toBe(21 + 2 * round);
  }
  expect(open).toHaveLength(6);
});
