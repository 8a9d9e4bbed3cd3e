import { describe, expect, it } from "vitest";
import type { HostPair, HostPairMirror } from "../../../../crds/generated/host-pair.ts";
import { systemClock } from "../../../../machinery/clock.ts";
import { TerminalError } from "../../../../machinery/errors.ts";
import { seededRandom } from "../../../../machinery/random.ts";
import { Arbiter, PairConflictError, type PairStore, type Seen } from "../../../../reconcilers/host-pair/arbiter.ts";
import * as decisions from "../../../../reconcilers/host-pair/decisions.ts";

const PAIR = "alpha.beta";
const M1 = { namespace: "default", name: "m1", uid: "u1" };
const never = new AbortController().signal;

const pair = (mirrors: readonly HostPairMirror[], epoch = 5): HostPair => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "HostPair",
  metadata: { name: PAIR, resourceVersion: "1" },
  spec: { hosts: ["alpha", "beta"] },
  status: {
    epoch,
    incarnation: "life-1",
    mirrors,
    decision: { nonce: "n0", by: "alpha", bootID: "b", reason: "FirstGeneration", time: "2026-01-01T00:00:00Z" },
  },
});

const entry = (overrides: Partial<HostPairMirror> = {}): HostPairMirror => ({
  ...M1,
  members: ["alpha", "beta"],
  primary: "alpha",
  ...overrides,
});

class LostReplyError extends TerminalError {}

/** A record with compare-and-set, and replies that can be lost before or after the write happened. */
class FaultyStore implements PairStore {
  record: HostPair;
  readonly faults: ("lost before" | "lost after" | "late")[] = [];
  late: (() => void) | undefined;
  constructor(record: HostPair) {
    this.record = record;
  }
  async read(): Promise<HostPair> {
    return this.record;
  }
  async writeStatus(next: HostPair): Promise<HostPair> {
    const fault = this.faults.shift();
    const put = () => {
      if (next.metadata.resourceVersion !== this.record.metadata.resourceVersion) throw new PairConflictError("newer");
      const resourceVersion = String(Number(this.record.metadata.resourceVersion) + 1);
      this.record = { ...next, metadata: { ...next.metadata, resourceVersion } };
    };
    if (fault === "late") this.late = put;
    else if (fault !== "lost before") put();
    if (fault !== undefined) throw new LostReplyError("Unavailable", "no reply");
    return this.record;
  }
}

function arbiter(store: PairStore, hostName = "alpha", seen?: Seen): Arbiter & { seen: Map<string, Seen> } {
  const memory = new Map<string, Seen>(seen ? [[PAIR, seen]] : []);
  const made = new Arbiter({
    store,
    me: { hostName, bootID: "boot" },
    memory: {
      recall: (name) => memory.get(name),
      remember: async (name, next) => void memory.set(name, next),
    },
    clock: { ...systemClock, schedule: (_, callback) => systemClock.schedule(0, callback) },
    random: seededRandom(hostName.length),
  });
  return Object.assign(made, { seen: memory });
}

describe("Arbiter", () => {
  it("raises the epoch by one with every decision and remembers it", async () => {
    const store = new FaultyStore(pair([entry()]));
    const made = arbiter(store);
    expect(await made.decide(PAIR, decisions.winAlone(M1, "alpha"), never)).toMatchObject({ kind: "won" });
    expect(store.record.status).toMatchObject({ epoch: 6, decision: { by: "alpha", reason: "PeerLost" } });
    expect(store.record.status?.mirrors[0]).toEqual(entry({ members: ["alpha"] }));
    expect(made.seen.get(PAIR)).toEqual({ incarnation: "life-1", epoch: 6 });
  });

  it("finds its own write again when the reply was lost", async () => {
    const store = new FaultyStore(pair([entry()]));
    store.faults.push("lost after");
    expect(await arbiter(store).decide(PAIR, decisions.winAlone(M1, "alpha"), never)).toMatchObject({ kind: "won" });
    expect(store.record.status?.epoch).toBe(6);
  });

  it("writes again when the write was lost", async () => {
    const store = new FaultyStore(pair([entry()]));
    store.faults.push("lost before", "lost before");
    expect(await arbiter(store).decide(PAIR, decisions.winAlone(M1, "alpha"), never)).toMatchObject({ kind: "won" });
    expect(store.record.status?.epoch).toBe(6);
  });

  it("only one of the two wins, and the loser hears it", async () => {
    const store = new FaultyStore(pair([entry()]));
    const [a, b] = await Promise.all([
      arbiter(store, "alpha").decide(PAIR, decisions.winAlone(M1, "alpha"), never),
      arbiter(store, "beta").decide(PAIR, decisions.takeOver("beta", "alpha", 5), never),
    ]);
    expect([a.kind, b.kind].toSorted()).toEqual(["refused", "won"]);
    expect(store.record.status?.mirrors[0]?.members).toHaveLength(1);
  });

  it("a grow that is still on its way dies by the next shrink, even one that changes nothing", async () => {
    const store = new FaultyStore(pair([entry({ members: ["alpha"] })]));
    store.faults.push("late");
    const made = arbiter(store);
    const aborted = new AbortController();
    const growing = made.decide(PAIR, decisions.grow(M1, "alpha", "beta", 5), aborted.signal);
    const ended = expect(growing).rejects.toThrow();
    await Promise.resolve();
    aborted.abort();
    await ended;
    await made.decide(PAIR, decisions.winAlone(M1, "alpha"), never);
    expect(() => store.late?.()).toThrow(PairConflictError);
    expect(store.record.status?.mirrors[0]?.members).toEqual(["alpha"]);
  });

  it.each([
    ["an older epoch", { incarnation: "life-1", epoch: 9 }],
    ["another life", { incarnation: "life-0", epoch: 2 }],
  ])("refuses a store that shows %s", async (_, seen) => {
    const store = new FaultyStore(pair([entry()]));
    const outcome = await arbiter(store, "beta", seen).decide(PAIR, decisions.takeOver("beta", "alpha", 5), never);
    expect(outcome).toMatchObject({ kind: "refused", reason: "StoreRolledBack" });
    expect(store.record.status?.epoch).toBe(5);
  });

  it("remembers what it only read, and tells later that a record is of the past", async () => {
    const store = new FaultyStore(pair([entry({ members: ["alpha"] })], 9));
    const made = arbiter(store, "beta");
    expect((await made.read(PAIR, never)).past).toBeUndefined();
    store.record = pair([entry()], 5);
    expect((await made.read(PAIR, never)).past).toMatchObject({ reason: "StoreRolledBack" });
    const outcome = await made.decide(PAIR, decisions.takeOver("beta", "alpha", 5), never);
    expect(outcome).toMatchObject({ kind: "refused", reason: "StoreRolledBack" });
  });

  it("a decision of its own during a read makes the answer old, not the store", async () => {
    const store = new FaultyStore(pair([entry()]));
    const made = arbiter(store);
    const old = store.record;
    store.read = async () => {
      made.seen.set(PAIR, { incarnation: "life-1", epoch: 6 });
      return old;
    };
    expect((await made.read(PAIR, never)).past).toBeUndefined();
  });
});

it("a restart is said once, kept over other decisions, and forgotten by a meeting", () => {
  const after = (decision: decisions.Decision, mirrors: readonly HostPairMirror[]) => {
    const verdict = decision(pair(mirrors).status);
    return verdict.kind === "write" ? verdict.mirrors : [];
  };
  const restarted = after(decisions.restarted(M1, "beta"), [entry()]);
  expect(restarted[0]).toMatchObject({ restarted: ["beta"], members: ["alpha", "beta"] });
  expect(decisions.restarted(M1, "beta")(pair(restarted).status)).toEqual({ kind: "unnecessary" });
  const alone = after(decisions.winAlone(M1, "alpha"), restarted);
  expect(alone[0]?.restarted).toEqual(["beta"]);
  expect(after(decisions.met(M1, "beta"), alone)[0]).not.toHaveProperty("restarted");
});

it("a doubt is said once, ended by a proof or by a word, and a copy that was given up until it has begun anew", () => {
  const after = (decision: decisions.Decision, mirrors: readonly HostPairMirror[]) => {
    const verdict = decision(pair(mirrors).status);
    return verdict.kind === "write" ? verdict.mirrors : [];
  };
  const doubted = after(decisions.doubt(M1, "alpha"), [entry({ members: ["alpha"], restarted: ["beta"] })]);
  expect(doubted[0]).toMatchObject({ members: ["alpha"], inDoubt: true });
  expect(decisions.doubt(M1, "alpha")(pair(doubted).status)).toEqual({ kind: "unnecessary" });
  expect(after(decisions.endDoubt(M1, "alpha"), doubted)[0]).not.toHaveProperty("inDoubt");
  const settled = after(decisions.trusted(M1, "alpha", "beta", 5), doubted);
  expect(settled[0]).toEqual({ ...M1, members: ["alpha"], primary: "alpha", discarded: ["beta"] });
  expect(after(decisions.begunAnew(M1, "beta"), settled)[0]).not.toHaveProperty("discarded");
});

describe("decisions", () => {
  const told = (decision: decisions.Decision, mirrors: readonly HostPairMirror[]) => {
    const verdict = decision(pair(mirrors).status);
    if (verdict.kind === "write")
      return verdict.mirrors.map(({ members, primary, window }) => ({ members, primary, window }));
    return verdict.kind === "refused" ? verdict.reason : verdict.kind;
  };
  const alone = (host: string) => ({ members: [host], primary: host, window: undefined });

  it.each<[string, decisions.Decision, HostPairMirror[], unknown]>([
    ["going on alone", decisions.winAlone(M1, "alpha"), [entry()], [alone("alpha")]],
    [
      "going on alone after the peer took over",
      decisions.winAlone(M1, "alpha"),
      [entry({ members: ["beta"], primary: "beta" })],
      "NotAMember",
    ],
    ["going on alone as a secondary", decisions.winAlone(M1, "beta"), [entry()], "NotPrimary"],
    [
      "going on alone is written even when it changes nothing",
      decisions.winAlone(M1, "alpha"),
      [entry({ members: ["alpha"] })],
      [alone("alpha")],
    ],
    ["taking over", decisions.takeOver("beta", "alpha", 5), [entry()], [alone("beta")]],
    ["doubt of one member among two: it leaves instead", decisions.doubt(M1, "alpha"), [entry()], "unnecessary"],
    [
      "an administrator's word for a copy outside the members",
      decisions.trusted(M1, "beta", "alpha", 5),
      [entry({ members: ["alpha"], inDoubt: true })],
      [{ members: ["beta"], primary: undefined, window: undefined }],
    ],
    [
      "an administrator's word for the record of before",
      decisions.trusted(M1, "beta", "alpha", 4),
      [entry({ members: ["alpha"], inDoubt: true })],
      "RecordHasChanged",
    ],
    [
      "an administrator's word where nobody is in doubt",
      decisions.trusted(M1, "beta", "alpha", 5),
      [entry({ members: ["alpha"] })],
      "RecordHasChanged",
    ],
    [
      "growing by a copy that was given up and has not begun anew",
      decisions.grow(M1, "alpha", "beta", 5),
      [entry({ members: ["alpha"], discarded: ["beta"] })],
      "GivenUp",
    ],
    ["taking over by an old order", decisions.takeOver("beta", "alpha", 4), [entry()], "OrderIsOld"],
    [
      "taking over without all the data",
      decisions.takeOver("beta", "alpha", 5),
      [entry({ members: ["alpha"] })],
      "NotAMember",
    ],
    [
      "taking over only some of the group",
      decisions.takeOver("beta", "alpha", 5),
      [entry(), entry({ uid: "u2", members: ["alpha"] })],
      "NotAMember",
    ],
    [
      "taking over what the peer does not have",
      decisions.takeOver("beta", "alpha", 5),
      [entry({ primary: "beta" })],
      "unnecessary",
    ],
    [
      "promoting",
      decisions.claimPrimary(M1, "beta"),
      [{ ...M1, members: ["alpha", "beta"] }],
      [{ members: ["alpha", "beta"], primary: "beta", window: undefined }],
    ],
    ["promoting against a primary", decisions.claimPrimary(M1, "beta"), [entry()], "PeerIsPrimary"],
    [
      "giving up",
      decisions.releasePrimary(M1, "alpha"),
      [entry()],
      [{ members: ["alpha", "beta"], primary: undefined, window: undefined }],
    ],
    [
      "giving up to who writes",
      decisions.releasePrimary(M1, "alpha", "beta"),
      [entry()],
      [{ members: ["alpha", "beta"], primary: "beta", window: undefined }],
    ],
    [
      "giving up to an outsider",
      decisions.releasePrimary(M1, "alpha", "beta"),
      [entry({ members: ["alpha"] })],
      [{ members: ["alpha"], primary: undefined, window: undefined }],
    ],
    ["promoting an outsider", decisions.claimPrimary(M1, "beta"), [{ ...M1, members: ["alpha"] }], "NotAMember"],
    ["promoting before there is data", decisions.claimPrimary(M1, "beta"), [], "NotAMember"],
    [
      "growing",
      decisions.grow(M1, "alpha", "beta", 5),
      [entry({ members: ["alpha"] })],
      [{ members: ["alpha", "beta"], primary: "alpha", window: undefined }],
    ],
    [
      "growing by one that writes through the other",
      decisions.grow(M1, "alpha", "beta", 5, "beta"),
      [entry({ members: ["alpha"] })],
      [{ members: ["alpha", "beta"], primary: "beta", window: undefined }],
    ],
    [
      "growing by what was seen before another decision",
      decisions.grow(M1, "alpha", "beta", 4),
      [entry({ members: ["alpha"] })],
      "RecordHasChanged",
    ],
    [
      "growing by a secondary",
      decisions.grow(M1, "beta", "alpha", 5),
      [{ ...M1, members: ["beta"], primary: undefined as never }],
      "NotPrimary",
    ],
    [
      "growing by a connection of before the peer's restart",
      decisions.grow(M1, "alpha", "beta", 5),
      [entry({ members: ["alpha"], restarted: ["beta"] })],
      "NotMetSinceRestart",
    ],
    [
      "answering a restart",
      decisions.answerRestart(M1, "alpha", "beta"),
      [entry({ restarted: ["beta"] })],
      [{ members: ["alpha", "beta"], primary: "alpha" }],
    ],
    [
      "answering a restart from outside",
      decisions.answerRestart(M1, "alpha", "beta"),
      [entry({ members: ["beta"], primary: "beta", restarted: ["beta"] })],
      "NotAMember",
    ],
    ["answering a restart that nobody told of", decisions.answerRestart(M1, "alpha", "beta"), [entry()], "unnecessary"],
    [
      "meeting again",
      decisions.met(M1, "beta"),
      [entry({ members: ["alpha"], restarted: ["beta"] })],
      [alone("alpha")],
    ],
    ["leaving", decisions.shrink(M1, "beta", "beta", "DiskFailed"), [entry()], [alone("alpha")]],
    [
      "leaving as the last",
      decisions.shrink(M1, "alpha", "alpha", "DiskFailed"),
      [entry({ members: ["alpha"] })],
      "LastMember",
    ],
    [
      "a window between members",
      decisions.openWindow(M1, "alpha", "beta"),
      [entry()],
      [{ members: ["alpha", "beta"], primary: "alpha", window: { from: "alpha", to: "beta" } }],
    ],
    [
      "a window to an outsider",
      decisions.openWindow(M1, "alpha", "beta"),
      [entry({ members: ["alpha"] })],
      "NotAMember",
    ],
    [
      "closing a window",
      decisions.closeWindow(M1, "beta"),
      [entry({ window: { from: "alpha", to: "beta" } })],
      [{ members: ["alpha", "beta"], primary: "beta", window: undefined }],
    ],
    [
      "losing the peer in a window",
      decisions.winAlone(M1, "alpha"),
      [entry({ window: { from: "alpha", to: "beta" } })],
      [alone("alpha")],
    ],
  ])("%s", (_, decision, mirrors, expected) => {
    expect(told(decision, mirrors)).toEqual(expected);
  });

  it("going on alone covers all mirrors that this host is primary of, and no other", () => {
    const others = [entry(), entry({ uid: "u2", name: "m2" }), entry({ uid: "u3", name: "m3", primary: "beta" })];
    expect(told(decisions.winAlone(M1, "alpha"), others)).toEqual([
      alone("alpha"),
      alone("alpha"),
      { members: ["alpha", "beta"], primary: "beta", window: undefined },
    ]);
  });

  it("going on alone leaves out a mirror whose copy here fell behind, for the peer may be the one that has everything", () => {
    const others = [entry(), entry({ uid: "u2", name: "m2" })];
    expect(told(decisions.winAlone(M1, "alpha", new Set(["u2"])), others)).toEqual([
      alone("alpha"),
      { members: ["alpha", "beta"], primary: "alpha", window: undefined },
    ]);
  });
});
