import { describe, expect, it, test } from "vitest";
import type { Mirror, MirrorVerify } from "../../../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import { planVerify } from "../../../../reconcilers/mirror/verify.ts";

const NOW = new Date("2026-03-01T12:00:00Z"); // a Sunday
const mirror = (spec: object, verify?: MirrorVerify): Mirror =>
  ({
    metadata: { name: "m1", namespace: "default", creationTimestamp: "2026-03-01T11:00:00Z" },
    spec: { size: "1Gi", ...spec },
    status: verify === undefined ? {} : { verify },
  }) as unknown as Mirror;
const finished = (over: Partial<MirrorVerify> = {}): MirrorVerify => ({
  order: "o1",
  state: "Finished",
  orderedTime: "2026-03-01T11:30:00Z",
  finishTime: "2026-03-01T11:40:00Z",
  outOfSyncBytes: 0,
  ...over,
});
const reporting = (verify: object) => [{ status: { verify } }] as unknown as readonly MirrorReplica[];
const plan = (spec: object, verify?: MirrorVerify, replicas: readonly MirrorReplica[] = []) =>
  planVerify(mirror(spec, verify), replicas, NOW);

describe("when a comparison is ordered", () => {
  test.each([
    { name: "nobody asked", spec: {}, ordered: false },
    {
      name: "the schedule's time has come since the mirror was made",
      spec: { verifySchedule: "30 11 * * *" },
      ordered: true,
    },
    { name: "it has not come yet", spec: { verifySchedule: "30 12 * * *" }, ordered: false },
    { name: "it came before the mirror was made", spec: { verifySchedule: "30 10 * * *" }, ordered: false },
    { name: "only on another day of the week", spec: { verifySchedule: "30 11 * * 1" }, ordered: false },
    { name: "on this day of the week, in UTC", spec: { verifySchedule: "30 11 * * SUN" }, ordered: true },
    {
      name: "it came again since the last one",
      spec: { verifySchedule: "*/15 * * * *" },
      verify: finished(),
      ordered: true,
    },
    { name: "it did not come again", spec: { verifySchedule: "30 11 * * *" }, verify: finished(), ordered: false },
    {
      name: "one is still under way",
      spec: { verifySchedule: "* * * * *" },
      verify: finished({ state: "Running" }),
      ordered: false,
    },
    { name: "a person asks", spec: { verifyRequest: "now" }, ordered: true },
    {
      name: "a person asked before",
      spec: { verifyRequest: "now" },
      verify: finished({ request: "now" }),
      ordered: false,
    },
    {
      name: "a person asks again",
      spec: { verifyRequest: "again" },
      verify: finished({ request: "now" }),
      ordered: true,
    },
  ])("$name: $ordered", ({ spec, verify, ordered }) => {
    const found = plan(spec, verify).verify;
    expect(found?.state === "Ordered" && found.order === "2026-03-01T12:00:00Z").toBe(ordered);
  });

  it("says how long it is to the next time", () => {
    expect(plan({ verifySchedule: "5 12 * * *" }).nextMs).toBe(300_000);
  });

  it("keeps the request that it acted on when the schedule comes", () => {
    const spec = { verifyRequest: "now", verifySchedule: "45 11 * * *" };
    expect(plan(spec, finished({ request: "now" })).verify).toMatchObject({ state: "Ordered", request: "now" });
  });
});

const conditionOf = (...args: Parameters<typeof plan>) => plan(...args).conditions[0];

it("tells what the side that carried it out reports, and of no other order", () => {
  const ordered = finished({ state: "Ordered" });
  const report = { order: "o1", state: "Finished", finishTime: "2026-03-01T11:59:00Z", outOfSyncBytes: 8192 };
  expect(conditionOf({}, ordered, reporting(report))).toMatchObject({ status: "False", reason: "CopiesDiffer" });
  expect(conditionOf({}, ordered, reporting({ ...report, outOfSyncBytes: 0 }))).toMatchObject({ status: "True" });
  expect(conditionOf({}, ordered, reporting({ ...report, order: "o0" }))).toMatchObject({ status: "Unknown" });
});

it("refuses a schedule that is none", () => {
  expect(conditionOf({ verifySchedule: "61 * * * *" })).toMatchObject({ status: "False", reason: "ScheduleInvalid" });
});
