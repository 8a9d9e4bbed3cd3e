import { describe, expect, it } from "vitest";
import type { HostPairMirror } from "../../../../crds/generated/host-pair.ts";
import type { ObservedReplica } from "../../../../executors/drbd/observe.ts";
import type { ResourceState } from "../../../../executors/drbd/state.ts";
import {
  allowedMetadata,
  allowedRole,
  mayAttach,
  mayConnect,
  type MembershipView,
  neededDecision,
} from "../../../../reconcilers/mirror-replica/membership.ts";

const M1 = { namespace: "default", name: "m1", uid: "u1" };

type Kernel = {
  role?: ResourceState["role"];
  disk?: NonNullable<ResourceState["device"]>["diskState"];
  state?: string;
  peerDisk?: NonNullable<ResourceState["connection"]>["peerDiskState"];
  replication?: string;
  suspended?: readonly string[];
};

const observed = ({
  role = "Primary",
  disk = "UpToDate",
  state = "Connected",
  peerDisk = "UpToDate",
  replication = "Established",
  suspended = [],
}: Kernel = {}): ObservedReplica => ({
  configFile: "",
  metadata: "yes",
  holds: "",
  currentUUID: "00112233445566AA",
  progress: undefined,
  kernel: {
    name: "m1",
    role,
    suspended,
    device: { minor: 1000, diskState: disk, sizeBytes: 1 },
    connection: { state, peerRole: "Unknown", peerDiskState: peerDisk, replication, outOfSyncBytes: 0 },
  },
});

const entry = (overrides: Partial<HostPairMirror> = {}): HostPairMirror => ({
  ...M1,
  members: ["alpha", "beta"],
  primary: "alpha",
  ...overrides,
});

const view = (overrides: Partial<MembershipView> = {}): MembershipView => ({
  mirror: M1,
  me: "alpha",
  peer: "beta",
  entry: entry(),
  epoch: 5,
  observed: observed(),
  beginsFirstGeneration: false,
  lags: false,
  toldRestart: false,
  diskFailed: false,
  wanted: { role: "Primary", connect: true },
  ...overrides,
});

const restarted = observed({ role: "Secondary", disk: "Consistent", state: "StandAlone", peerDisk: "DUnknown" });
const secondary = { role: "Secondary", connect: true } as const;
const { primary: _, ...noPrimary } = entry();

describe("neededDecision", () => {
  it.each<[string, Partial<MembershipView>, string | undefined]>([
    ["nothing when the record fits", {}, undefined],
    [
      "the first member when the first generation stands",
      { entry: undefined, beginsFirstGeneration: true },
      "record alpha as the first member",
    ],
    [
      "nothing before it stands",
      { entry: undefined, beginsFirstGeneration: true, observed: observed({ disk: "Inconsistent" }) },
      undefined,
    ],
    ["nothing from the side that does not begin", { entry: undefined }, undefined],
    [
      "out with oneself when the own disk is gone",
      { observed: observed({ disk: "Diskless" }) },
      "take alpha out: its disk is Diskless",
    ],
    [
      "out with oneself when the own disk is behind",
      { observed: observed({ disk: "Inconsistent" }) },
      "take alpha out: its disk is Inconsistent",
    ],
    [
      "out with the peer when its disk is gone",
      { observed: observed({ peerDisk: "Diskless" }) },
      "take beta out: its disk is Diskless",
    ],
    [
      "out with the peer that waits for being overwritten",
      { observed: observed({ peerDisk: "Consistent", replication: "WFBitMapS" }) },
      "take beta out: its disk is Consistent",
    ],
    [
      "nothing of a peer that is being met",
      { observed: observed({ peerDisk: "Consistent", replication: "Off" }) },
      undefined,
    ],
    [
      "nothing of a peer that cannot be seen, while that freezes",
      { observed: observed({ state: "Connecting", peerDisk: "DUnknown", suspended: ["fencing"] }) },
      undefined,
    ],
    [
      "out with the peer when a hand has released what was frozen",
      { observed: observed({ state: "Connecting", peerDisk: "DUnknown" }) },
      "take beta out: alpha is written alone",
    ],
    [
      "out with the peer before a planned disconnect",
      { wanted: { role: "Primary", connect: false } },
      "take beta out before the planned disconnect",
    ],
    [
      "out with oneself before a planned disconnect of a secondary",
      { wanted: { role: "Secondary", connect: false }, observed: observed({ role: "Secondary" }), entry: noPrimary },
      "take alpha out before the planned disconnect",
    ],
    [
      "in with the peer when both have everything",
      { entry: entry({ members: ["alpha"] }) },
      "take beta in: both disks are UpToDate",
    ],
    [
      "nobody in while a resync runs",
      {
        entry: entry({ members: ["alpha"] }),
        observed: observed({ peerDisk: "Inconsistent", replication: "SyncSource" }),
      },
      undefined,
    ],
    [
      "nobody in by a secondary",
      {
        entry: entry({ members: ["alpha"], primary: "beta" }),
        observed: observed({ role: "Secondary" }),
        wanted: secondary,
      },
      undefined,
    ],
    [
      "the claim before the promotion",
      { entry: noPrimary, observed: observed({ role: "Secondary" }) },
      "claim the primary role for alpha",
    ],
    [
      "the release after the demotion",
      { observed: observed({ role: "Secondary" }), wanted: secondary },
      "record that alpha gave up being primary",
    ],
    ["no release before the demotion", { wanted: secondary }, undefined],
    [
      "the word of a restart before the peer is met, also where nobody is primary",
      { entry: noPrimary, observed: restarted, wanted: secondary },
      "record that alpha has restarted: beta may hold writes that wait",
    ],
    ["no such word from the primary", { observed: restarted }, undefined],
    [
      "no such word twice, once the peer has answered",
      { entry: noPrimary, observed: restarted, wanted: secondary, toldRestart: true },
      undefined,
    ],
    [
      "the answer to a peer's restart from a side that nothing waits on",
      { entry: { ...noPrimary, restarted: ["beta"] }, observed: restarted, wanted: secondary, toldRestart: true },
      "let beta, which has restarted, meet alpha: nothing waits here",
    ],
    [
      "no answer from a primary: what waits there has to be decided",
      { entry: entry({ restarted: ["beta"] }), observed: observed({ state: "Connecting", suspended: ["fencing"] }) },
      undefined,
    ],
    [
      "no answer while a connection of before is still believed",
      { entry: { ...noPrimary, restarted: ["beta"] }, observed: observed({ role: "Secondary" }), wanted: secondary },
      undefined,
    ],
  ])("%s", (_, overrides, expected) => {
    expect(neededDecision(view(overrides))?.why).toBe(expected);
  });
});

describe("allowedRole", () => {
  it.each<[string, Partial<MembershipView>, string]>([
    ["promotes who is recorded", { observed: observed({ role: "Secondary" }) }, "Primary"],
    ["does not promote without a record", { entry: undefined, observed: observed({ role: "Secondary" }) }, "Secondary"],
    [
      "does not promote who is out",
      { entry: entry({ members: ["beta"] }), observed: observed({ role: "Secondary" }) },
      "Secondary",
    ],
    ["does not demote what runs for a missing record", { entry: undefined }, "Primary"],
    ["demotes who is told to", { wanted: secondary }, "Secondary"],
  ])("%s", (_, overrides, expected) => {
    expect(allowedRole(view(overrides))).toBe(expected);
  });
});

describe("mayAttach", () => {
  const apart = { state: "Connecting", peerDisk: "DUnknown", disk: "Diskless" } as const;
  it.each<[string, Partial<MembershipView>, boolean]>([
    [
      "not a disk that failed, before it has begun anew: a primary without its own would be served by it",
      {
        observed: observed({ ...apart, role: "Secondary" }),
        entry: entry({ members: ["beta"], primary: "beta" }),
        diskFailed: true,
      },
      false,
    ],
    ["under a secondary", { observed: observed({ ...apart, role: "Secondary" }) }, true],
    ["under a primary that its peer serves", { observed: observed({ disk: "Diskless" }) }, true],
    ["not under a frozen primary", { observed: observed({ ...apart, suspended: ["fencing"] }) }, false],
    [
      "under the frozen primary that alone has everything",
      { observed: observed({ ...apart, suspended: ["no-data"] }), entry: entry({ members: ["alpha"] }) },
      true,
    ],
    [
      "not a disk that fell behind, whoever serves meanwhile",
      { observed: observed({ disk: "Diskless" }), lags: true },
      false,
    ],
  ])("%s", (_, overrides, expected) => {
    expect(mayAttach(view(overrides))).toBe(expected);
  });
});

describe("mayConnect", () => {
  const tookOver = { entry: entry({ members: ["alpha"] }) };
  const met = { role: "Secondary", peerDisk: "Consistent" } as const;
  it.each<[string, Partial<MembershipView>, boolean]>([
    ["a member", {}, true],
    [
      "not a member that has restarted, before the peer has answered",
      { entry: entry({ primary: "beta", restarted: ["alpha"] }), observed: restarted },
      false,
    ],
    [
      "a side that is out and has restarted",
      { entry: entry({ members: ["beta"], primary: "beta", restarted: ["alpha"] }), observed: restarted },
      true,
    ],
    [
      "a host that took over only as primary",
      { ...tookOver, observed: observed({ role: "Secondary", state: "StandAlone" }) },
      false,
    ],
    [
      "not to a peer that waits for being overwritten",
      { ...tookOver, observed: observed({ ...met, replication: "WFBitMapS" }) },
      false,
    ],
    [
      "still to a peer that is being overwritten",
      { ...tookOver, observed: observed({ ...met, replication: "SyncSource" }) },
      true,
    ],
    [
      "as primary to anybody",
      { ...tookOver, observed: observed({ peerDisk: "Consistent", replication: "WFBitMapS" }) },
      true,
    ],
  ])("%s", (_, overrides, expected) => {
    expect(mayConnect(view(overrides))).toBe(expected);
  });
});

describe("allowedMetadata", () => {
  it.each<[string, Partial<MembershipView>, boolean, string]>([
    ["before the first generation", { entry: undefined }, true, "may-create"],
    ["never without a word of the controller", { entry: undefined }, false, "keep"],
    ["never for a member", {}, true, "keep"],
    ["for a side that is out", { entry: entry({ members: ["beta"] }) }, false, "may-create"],
  ])("%s", (_, overrides, firstGeneration, expected) => {
    expect(allowedMetadata(view(overrides), firstGeneration)).toBe(expected);
  });
});
