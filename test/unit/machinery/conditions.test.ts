import { expect, it } from "vitest";
import { findCondition, isConditionTrue, setCondition } from "../../../machinery/conditions.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
const ready = { type: "Ready", status: "True", reason: "Up", message: "", observedGeneration: 1 } as const;

it("moves the time only when the status flips", () => {
  const first = setCondition(undefined, ready, at(0));
  const again = setCondition(first, { ...ready, reason: "StillUp", message: "x", observedGeneration: 2 }, at(5));
  expect(again).toEqual([
    { ...ready, reason: "StillUp", message: "x", observedGeneration: 2, lastTransitionTime: "2026-01-01T00:00:00Z" },
  ]);
  const flipped = setCondition(again, { ...ready, status: "Unknown" }, at(7));
  expect(findCondition(flipped, "Ready")?.lastTransitionTime).toBe("2026-01-01T00:00:07Z");
});

it("yields an equal list for an equal condition", () => {
  const first = setCondition(undefined, ready, at(0));
  expect(setCondition(first, ready, at(9))).toEqual(first);
});

it("puts Ready first, then sorts by type, and leaves its input alone", () => {
  const list = Object.freeze(setCondition(setCondition(undefined, { ...ready, type: "Zed" }, at(0)), ready, at(0)));
  const types = setCondition(list, { ...ready, type: "Attached" }, at(0)).map((c) => c.type);
  expect(types).toEqual(["Ready", "Attached", "Zed"]);
  expect(list).toHaveLength(2);
});

it("takes neither Unknown nor absence for True", () => {
  const list = setCondition(undefined, { ...ready, status: "Unknown" }, at(0));
  expect(isConditionTrue(list, "Ready")).toBe(false);
  expect(isConditionTrue(undefined, "Ready")).toBe(false);
});
