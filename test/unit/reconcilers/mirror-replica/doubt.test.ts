import { expect, it, test } from "vitest";
import type { HostPair, HostPairMirror, HostPairTrust } from "../../../../crds/generated/host-pair.ts";
import type { ObservedReplica } from "../../../../executors/drbd/observe.ts";
import type { DiskState, Role } from "../../../../executors/drbd/state.ts";
import { doubtPass } from "../../../../reconcilers/mirror-replica/doubt.ts";
import type { MembershipView } from "../../../../reconcilers/mirror-replica/membership.ts";

const M1 = { namespace: "default", name: "m1", uid: "u1" };
const EPOCH = 41;

const observed = (role: Role, diskState: DiskState): ObservedReplica => ({
  configFile: "",
  metadata: "yes",
  holds: "",
  currentUUID: undefined,
  progress: undefined,
  kernel: { name: "m1", role, suspended: [], device: { minor: 1000, diskState, sizeBytes: 1 }, connection: undefined },
});

const record = (entry: HostPairMirror, trust?: HostPairTrust): HostPair => ({
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "HostPair",
  metadata: { name: "alpha.beta" },
  spec: { hosts: ["alpha", "beta"], ...(trust === undefined ? {} : { trust }) },
  status: {
    epoch: EPOCH,
    incarnation: "life-1",
    mirrors: [entry],
    decision: { nonce: "n", by: "alpha", bootID: "b", reason: "InDoubt", time: "2026-01-01T00:00:00Z" },
  },
});

const word = (hostName: string, over: Partial<HostPairTrust> = {}): HostPairTrust => ({
  hostName,
  incarnation: "life-1",
  epoch: EPOCH,
  mirror: { namespace: "default", name: "m1" },
  ...over,
});

/** Only alpha is a member. */
const entry = (over: Partial<HostPairMirror> = {}): HostPairMirror => ({
  ...M1,
  members: ["alpha"],
  inDoubt: true,
  ...over,
});

const view = (over: Partial<MembershipView> = {}): MembershipView => ({
  mirror: M1,
  me: "alpha",
  peer: "beta",
  entry: entry(),
  epoch: EPOCH,
  observed: observed("Secondary", "Diskless"),
  beginsFirstGeneration: false,
  lags: true,
  toldRestart: false,
  diskFailed: true,
  wanted: { role: "Primary", connect: true },
  ...over,
});

const other = {
  me: "beta",
  peer: "alpha",
  lags: false,
  diskFailed: false,
  observed: observed("Secondary", "Consistent"),
};
const outcome = (seen: MembershipView, trust?: HostPairTrust) => {
  const pass = doubtPass(seen, record(seen.entry ?? entry(), trust));
  return pass.kind === "decide" ? pass.needed.why : pass.kind === "refused" ? pass.reason : pass.kind;
};
const { inDoubt: _, ...calm } = entry();

test.each<[string, Partial<MembershipView>, HostPairTrust | undefined, string]>([
  [
    "an only member that may lack writes says so",
    { entry: calm },
    undefined,
    "record that alpha alone is left and may lack writes",
  ],
  ["one of two leaves instead", { entry: { ...calm, members: ["alpha", "beta"] } }, undefined, "none"],
  ["not while its disk is in use", { entry: calm, observed: observed("Primary", "UpToDate") }, undefined, "none"],
  ["one that lacks nothing is not in doubt", { entry: calm, lags: false }, undefined, "none"],
  ["a proof ends the doubt", { lags: false }, undefined, "record that alpha lacks nothing"],
  ["it asks, and waits", {}, undefined, "CopyInDoubt"],
  ["the other side does nothing by itself", other, undefined, "none"],
  ["named, it goes on", {}, word("alpha"), "let the copy on alpha count: an administrator says so"],
  ["named, the other one goes on", other, word("beta"), "let the copy on beta count: an administrator says so"],
  ["the other one's name says nothing to it", {}, word("beta"), "CopyInDoubt"],
  ["a word for an earlier record is none", {}, word("alpha", { epoch: EPOCH - 1 }), "CopyInDoubt"],
  ["nor one for another mirror", {}, word("alpha", { mirror: { namespace: "default", name: "m2" } }), "CopyInDoubt"],
  ["nor one for another life of the store", {}, word("alpha", { incarnation: "life-0" }), "CopyInDoubt"],
  ["nor one about a restored store", {}, { hostName: "alpha", incarnation: "life-1" }, "CopyInDoubt"],
  [
    "not where the device is in use by the peer's data",
    { observed: observed("Primary", "Diskless") },
    word("alpha"),
    "CopyInUse",
  ],
  [
    "not a copy that is none",
    { ...other, observed: observed("Secondary", "Inconsistent") },
    word("beta"),
    "CopyUnusable",
  ],
  ["not a second disk that failed", { ...other, diskFailed: true }, word("beta"), "CopyUnusable"],
])("%s", (_name, over, trust, expected) => {
  expect(outcome(view(over), trust)).toBe(expected);
});

it("what the condition asks for is a word that counts once a host is named in it", () => {
  const pass = doubtPass(view(), record(entry()));
  const message = pass.kind === "refused" ? pass.message : "";
  const patch = /kubectl patch hostpair alpha\.beta --type=merge -p '(.*)'$/.exec(message)?.[1] ?? "";
  const { trust } = (JSON.parse(patch.replace("…", "alpha")) as { spec: { trust: HostPairTrust } }).spec;
  expect(outcome(view(), trust)).toBe("let the copy on alpha count: an administrator says so");
});
