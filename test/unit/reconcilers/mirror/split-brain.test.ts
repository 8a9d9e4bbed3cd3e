import { expect, it, test } from "vitest";
import type { Mirror } from "../../../../crds/generated/mirror.ts";
import type { MirrorReplica } from "../../../../crds/generated/mirror-replica.ts";
import { isSplit, splitBrainCondition, splitBrainState } from "../../../../reconcilers/mirror/split-brain.ts";

const replica = (hostName: string, over: object = {}, connected = false) =>
  ({
    spec: { hostName, connect: true },
    status: {
      connectionState: "StandAlone",
      diskState: "UpToDate",
      currentUUID: hostName === "alpha" ? "00AA" : "00BB",
      conditions: [{ type: "Connected", status: connected ? "True" : "False" }],
      ...over,
    },
  }) as unknown as MirrorReplica;
const split = [replica("alpha"), replica("beta")];
const trying = [replica("alpha"), replica("beta", { connectionState: "Connecting" })];
const met = [
  replica("alpha", { connectionState: "Connected" }, true),
  replica("beta", { connectionState: "Connected", currentUUID: "00AA" }, true),
];
/** For a moment, before DRBD sees that both were written; or while the victim is being filled. */
const talking = [
  replica("alpha", { connectionState: "Connected" }, true),
  replica("beta", { connectionState: "Connected" }, true),
];

const mirror = (over: { was?: boolean; victim?: string; state?: object } = {}): Mirror =>
  ({
    spec: over.victim === undefined ? {} : { splitBrain: { victim: over.victim } },
    status: {
      conditions: [{ type: "SplitBrain", status: over.was === true ? "True" : "False" }],
      ...(over.state === undefined ? {} : { splitBrain: over.state }),
    },
  }) as unknown as Mirror;

test.each([
  { name: "both stand alone with different data", was: false, replicas: split, is: true },
  {
    name: "both stand alone with the same data, as after a boot",
    was: false,
    replicas: [replica("alpha"), replica("beta", { currentUUID: "00AA" })],
    is: false,
  },
  { name: "one only waits for the other", was: false, replicas: trying, is: false },
  { name: "one tries again after a split", was: true, replicas: trying, is: true },
  { name: "they have only begun to talk", was: true, replicas: talking, is: true },
  { name: "one is filled after it was away", was: false, replicas: talking, is: false },
  { name: "they have met", was: true, replicas: met, is: false },
])("split brain when $name: $is", ({ was, replicas, is }) => {
  expect(isSplit(mirror({ was }), replicas)).toBe(is);
});

test.each([
  {
    name: "is given for the split that is shown",
    of: { was: true, victim: "beta" },
    replicas: split,
    state: "Ordered",
  },
  { name: "is given while there is none", of: { victim: "beta" }, replicas: met, state: "Void" },
  {
    name: "was given before there was one",
    of: { was: true, victim: "beta", state: { victim: "beta", state: "Void" } },
    replicas: split,
    state: "Void",
  },
  {
    name: "is being followed",
    of: { was: true, victim: "beta", state: { victim: "beta", state: "Ordered" } },
    replicas: trying,
    state: "Ordered",
  },
  {
    name: "is being followed, and they talk",
    of: { was: true, victim: "beta", state: { victim: "beta", state: "Ordered" } },
    replicas: talking,
    state: "Ordered",
  },
  {
    name: "has done its work",
    of: { was: true, victim: "beta", state: { victim: "beta", state: "Ordered" } },
    replicas: met,
    state: "Done",
  },
  {
    name: "did its work in an earlier split",
    of: { was: true, victim: "beta", state: { victim: "beta", state: "Done" } },
    replicas: split,
    state: "Done",
  },
  {
    name: "names the other host now",
    of: { was: true, victim: "alpha", state: { victim: "beta", state: "Done" } },
    replicas: split,
    state: "Ordered",
  },
  {
    name: "was taken back",
    of: { was: true, state: { victim: "beta", state: "Done" } },
    replicas: split,
    state: undefined,
  },
])("a word that $name is $state", ({ of, replicas, state }) => {
  expect(splitBrainState(mirror(of), replicas)?.state).toBe(state);
});

it("asks for a new word where an old one stands", () => {
  const stale = { victim: "beta", state: "Done" } as const;
  expect(splitBrainCondition(mirror({ was: true, victim: "beta", state: stale }), split, stale).message).toMatch(
    /remove spec.splitBrain first/,
  );
});
