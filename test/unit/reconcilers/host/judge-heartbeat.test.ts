import { describe, expect, test } from "vitest";
import {
  type Heartbeat,
  judgeHeartbeat,
  type Sight,
  type Verdict,
} from "../../../../reconcilers/host/judge-heartbeat.ts";

const NOW = 100_000;
const heartbeat = (overrides: Partial<Heartbeat> = {}): Heartbeat => ({
  firstSeenMs: 0,
  renewedMs: NOW - 1000,
  durationMs: 6000,
  renewTime: "2026-01-01T00:00:00.000000Z",
  ...overrides,
});
const sight = (overrides: Partial<Sight> = {}): Sight => ({ servedSinceMs: 0, blind: undefined, ...overrides });
const blind = (forMs: number): Sight => ({ servedSinceMs: undefined, blind: { sinceMs: NOW - forMs, why: "cut" } });

describe("judgeHeartbeat", () => {
  test.each<{ name: string; heartbeat?: Heartbeat; sight?: Sight; verdict: Partial<Verdict> }>([
    { name: "renewed just now", heartbeat: heartbeat(), verdict: { kind: "alive", recheckMs: 5000 } },
    {
      name: "renewed just before the Lease ends",
      heartbeat: heartbeat({ renewedMs: NOW - 5999 }),
      verdict: { kind: "alive", recheckMs: 1 },
    },
    {
      name: "renewed one Lease ago, all the while in sight",
      heartbeat: heartbeat({ renewedMs: NOW - 6000 }),
      verdict: { kind: "expired" },
    },
    {
      name: "renewed long ago, but the API has served for less than a Lease",
      heartbeat: heartbeat({ renewedMs: NOW - 50_000 }),
      sight: sight({ servedSinceMs: NOW - 5999 }),
      verdict: { kind: "undetermined", recheckMs: 1 },
    },
    {
      name: "renewed long ago, and the API has served for just a Lease",
      heartbeat: heartbeat({ renewedMs: NOW - 50_000 }),
      sight: sight({ servedSinceMs: NOW - 6000 }),
      verdict: { kind: "expired" },
    },
    {
      name: "renewed long ago, but the API does not take writes",
      heartbeat: heartbeat({ renewedMs: NOW - 50_000 }),
      sight: sight({ servedSinceMs: undefined }),
      verdict: { kind: "undetermined" },
    },
    {
      name: "never seen to be renewed, and seen for less than a Lease",
      heartbeat: heartbeat({ firstSeenMs: NOW - 5000, renewedMs: undefined }),
      verdict: { kind: "undetermined", recheckMs: 1000 },
    },
    {
      name: "never seen to be renewed, for a full Lease",
      heartbeat: heartbeat({ firstSeenMs: NOW - 6000, renewedMs: undefined }),
      verdict: { kind: "expired" },
    },
    {
      name: "renewed just now, though we are blind since",
      heartbeat: heartbeat(),
      sight: blind(500),
      verdict: { kind: "alive", recheckMs: 5000 },
    },
    {
      name: "silent, but we are blind",
      heartbeat: heartbeat({ renewedMs: NOW - 6500 }),
      sight: blind(5000),
      verdict: { kind: "undetermined" },
    },
    {
      name: "silent, and we are blind for longer than a Lease",
      heartbeat: heartbeat({ renewedMs: NOW - 90_000 }),
      sight: blind(80_000),
      verdict: { kind: "cannotSee", why: "cut" },
    },
    { name: "no Lease", verdict: { kind: "neverSeen" } },
    { name: "no Lease, but we are blind", sight: blind(0), verdict: { kind: "cannotSee" } },
    {
      name: "a longer Lease is given its time",
      heartbeat: heartbeat({ renewedMs: NOW - 20_000, durationMs: 30_000 }),
      verdict: { kind: "alive", recheckMs: 10_000 },
    },
  ])("$name: $verdict.kind", (row) => {
    expect(judgeHeartbeat(NOW, row.heartbeat, row.sight ?? sight())).toMatchObject(row.verdict);
  });
});
