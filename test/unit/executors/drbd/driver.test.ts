import { describe, expect, it } from "vitest";
import {
  appliedPath,
  configDigest,
  configPath,
  renderConfig84,
  type ResourceConfig,
} from "../../../../executors/drbd/config.ts";
import { type DesiredReplica, planRemoval, planReplica } from "../../../../executors/drbd/driver.ts";
import type { ObservedReplica } from "../../../../executors/drbd/observe.ts";
import type { ResourceState } from "../../../../executors/drbd/state.ts";
import type { Plan } from "../../../../executors/driver.ts";

const config = (overrides: Partial<ResourceConfig> = {}): ResourceConfig => ({
  name: "m1",
  minor: 1000,
  port: 7900,
  local: { nodeName: "alpha", address: "10.77.0.11", disk: "/dev/vg0/m1-alpha" },
  peer: { nodeName: "beta", address: "10.77.0.12", disk: "/dev/vg0/m1-beta" },
  twoPrimaries: false,
  sharedSecret: undefined,
  tuning: {
    resyncRateBytes: undefined,
    activityLogExtents: 257,
    timeoutMs: 2500,
    connectIntervalMs: 3000,
    pingIntervalMs: 3000,
  },
  ...overrides,
});

const desired = (overrides: Partial<DesiredReplica> = {}): DesiredReplica => ({
  config: config(),
  metadata: "keep",
  mustBeFresh: false,
  connect: true,
  attach: true,
  role: "Secondary",
  firstGeneration: "none",
  sizeBytes: 2 ** 27,
  ...overrides,
});

const kernel = (overrides: Partial<ResourceState> = {}): ResourceState => ({
  name: "m1",
  role: "Secondary",
  suspended: [],
  connection: {
    state: "Connected",
    peerRole: "Secondary",
    peerDiskState: "UpToDate",
    replication: "Established",
    outOfSyncBytes: 0,
  },
  device: { minor: 1000, diskState: "UpToDate", sizeBytes: 2 ** 27 },
  ...overrides,
});

const observed = (overrides: Partial<ObservedReplica> = {}): ObservedReplica => ({
  configFile: renderConfig84(config()),
  appliedDigest: configDigest(renderConfig84(config())),
  kernel: kernel(),
  metadata: "yes",
  holds: "",
  currentUUID: "0011223344556676",
  progress: undefined,
  ...overrides,
});

const connection = (overrides: Partial<NonNullable<ResourceState["connection"]>>): ResourceState["connection"] => ({
  state: "Connected",
  peerRole: "Secondary",
  peerDiskState: "UpToDate",
  replication: "Established",
  outOfSyncBytes: 0,
  ...overrides,
});

const inconsistent = { minor: 1000, diskState: "Inconsistent", sizeBytes: 2 ** 27 } as const;

/** What a plan does, in words short enough for a table. */
const told = (plan: Plan): string | string[] =>
  plan.kind === "blocked"
    ? plan.reason
    : plan.steps.map(({ effect }) => (effect.kind === "run" ? effect.argv.slice(1).join(" ") : `write ${effect.path}`));

describe("planReplica", () => {
  it.each<[string, Partial<DesiredReplica>, Partial<ObservedReplica>, string | string[]]>([
    ["does nothing when all is well", {}, {}, []],
    [
      "writes the file first",
      {},
      { configFile: undefined, kernel: undefined, metadata: "unknown" },
      [`write ${configPath("m1")}`],
    ],
    [
      "writes a changed file before anything else",
      { config: config({ twoPrimaries: true }) },
      {},
      [`write ${configPath("m1")}`],
    ],
    [
      "applies a file that the kernel does not have yet, as after a crash between the two",
      { config: config({ twoPrimaries: true }) },
      { configFile: renderConfig84(config({ twoPrimaries: true })) },
      ["adjust m1", `write ${appliedPath("m1")}`],
    ],
    [
      "applies the file when nobody knows what the kernel has",
      {},
      { appliedDigest: undefined },
      ["adjust m1", `write ${appliedPath("m1")}`],
    ],
    [
      "does not take another mirror's data for its own, before its first generation",
      { mustBeFresh: true, metadata: "may-create" },
      { kernel: undefined, usedBefore: true },
      "DeviceHoldsData",
    ],
    [
      "brings up metadata that it has just made, as after a crash",
      { mustBeFresh: true, metadata: "may-create" },
      { kernel: undefined, usedBefore: false },
      ["adjust m1", "write /run/ferrite/drbd-applied/m1"],
    ],
    [
      "brings up the disk alone first, where it held data once, though this side is out of the record",
      { metadata: "may-create" },
      { kernel: undefined, usedBefore: true },
      ["new-resource m1", "new-minor m1", "attach m1"],
    ],
    [
      "tells who has a device that cannot be read",
      {},
      { kernel: undefined, metadata: "unknown", claims: ["/dev/drbd1001"] },
      "DeviceInUse",
    ],
    [
      "tells a device that is not there from one that cannot be read",
      {},
      { kernel: undefined, metadata: "unknown", diskMissing: true },
      "DeviceMissing",
    ],
    [
      "does not connect by applying a changed file",
      { connect: false },
      { appliedDigest: "other", kernel: kernel({ connection: undefined }) },
      [
        "disk-options 1000 --on-io-error=call-local-io-error --fencing=resource-and-stonith --resync-rate=102400k --c-plan-ahead=0 --al-extents=257",
        `write ${appliedPath("m1")}`,
      ],
    ],
    [
      "guesses nothing about unreadable metadata",
      { metadata: "may-create" },
      { kernel: undefined, metadata: "unknown" },
      "MetadataUnknown",
    ],
    ["never makes metadata again", {}, { kernel: undefined, metadata: "no" }, "MetadataMissing"],
    [
      "makes metadata when nothing can be lost",
      { metadata: "may-create" },
      { kernel: undefined, metadata: "no" },
      ["-- --force create-md m1"],
    ],
    [
      "overwrites nothing that it can recognise",
      { metadata: "may-create" },
      { kernel: undefined, metadata: "no", holds: "ext4" },
      "DeviceHoldsData",
    ],
    [
      "comes up in one go where nothing can be lost",
      { metadata: "may-create" },
      { kernel: undefined },
      ["adjust m1", "write /run/ferrite/drbd-applied/m1"],
    ],
    ["comes up without network", {}, { kernel: undefined }, ["new-resource m1", "new-minor m1", "attach m1"]],
    [
      "comes up without a disk that may lack writes: a primary without its own would take it for the current one",
      { attach: false },
      { kernel: undefined },
      ["new-resource m1", "new-minor m1"],
    ],
    [
      "goes on after a crash between two steps of coming up",
      {},
      { kernel: kernel({ device: undefined, connection: undefined }) },
      ["new-minor m1", "attach m1"],
    ],
    [
      "attaches what was detached",
      {},
      { kernel: kernel({ device: { ...inconsistent, diskState: "Diskless" } }) },
      ["attach m1"],
    ],
    ["connects", {}, { kernel: kernel({ connection: undefined }) }, ["connect m1"]],
    [
      "connects what stands alone",
      {},
      { kernel: kernel({ connection: connection({ state: "StandAlone" }) }) },
      ["connect m1"],
    ],
    ["disconnects when told to", { connect: false }, {}, ["disconnect m1"]],
    [
      "stays alone when told to",
      { connect: false },
      { kernel: kernel({ connection: connection({ state: "StandAlone" }) }) },
      [],
    ],
    ["promotes", { role: "Primary" }, {}, ["primary m1"]],
    ["demotes", {}, { kernel: kernel({ role: "Primary" }) }, ["secondary m1"]],
    [
      "does not promote against a primary",
      { role: "Primary" },
      { kernel: kernel({ connection: connection({ peerRole: "Primary" }) }) },
      "PeerIsPrimary",
    ],
    [
      "does not promote an inconsistent disk alone",
      { role: "Primary" },
      {
        kernel: kernel({
          device: inconsistent,
          connection: connection({ peerDiskState: "DUnknown", state: "Connecting" }),
        }),
      },
      "DataNotUpToDate",
    ],
    [
      "starts the first generation when both sides are empty",
      { firstGeneration: "full-sync" },
      { kernel: kernel({ device: inconsistent, connection: connection({ peerDiskState: "Inconsistent" }) }) },
      ["-- --force primary m1"],
    ],
    [
      "skips the first sync where both sides read as zeros",
      { firstGeneration: "skip-sync" },
      { kernel: kernel({ device: inconsistent, connection: connection({ peerDiskState: "Inconsistent" }) }) },
      ["-- --clear-bitmap new-current-uuid m1"],
    ],
    [
      "never starts a generation against data",
      { firstGeneration: "full-sync" },
      { kernel: kernel({ device: inconsistent, connection: connection({ peerDiskState: "UpToDate" }) }) },
      [],
    ],
    [
      "never starts a generation alone",
      { firstGeneration: "full-sync" },
      {
        kernel: kernel({
          device: inconsistent,
          connection: connection({ state: "Connecting", peerDiskState: "DUnknown" }),
        }),
      },
      [],
    ],
    [
      "grows on the primary",
      { role: "Primary", sizeBytes: 2 ** 28 },
      { kernel: kernel({ role: "Primary" }) },
      ["resize m1"],
    ],
    ["leaves growing to the primary", { sizeBytes: 2 ** 28 }, {}, []],
    [
      "does not grow while a resync runs",
      { role: "Primary", sizeBytes: 2 ** 28 },
      { kernel: kernel({ role: "Primary", connection: connection({ replication: "SyncSource" }) }) },
      [],
    ],
  ])("%s", (_, wanted, seen, expected) => {
    expect(told(planReplica(desired(wanted), observed(seen)))).toEqual(expected);
  });
});

describe("planRemoval", () => {
  it("demotes, takes down, wipes and removes, in this order", () => {
    expect(told(planRemoval("m1", observed({ kernel: kernel({ role: "Primary" }) }), { wipe: true }))).toEqual([
      "secondary m1",
      "down m1",
      "-- --force wipe-md m1",
      `-f ${configPath("m1")}`,
    ]);
  });
  it("keeps the metadata of data that is kept", () => {
    expect(told(planRemoval("m1", observed({ kernel: undefined }), { wipe: false }))).toEqual([
      `-f ${configPath("m1")}`,
    ]);
  });
  it("has nothing to do the second time", () => {
    const gone = observed({ configFile: undefined, kernel: undefined, metadata: "unknown" });
    expect(told(planRemoval("m1", gone, { wipe: true }))).toEqual([]);
  });
});

describe("renderConfig84", () => {
  it("differs between the two hosts in nothing but the disks", () => {
    const there = config({
      local: { nodeName: "beta", address: "10.77.0.12", disk: "/dev/vg0/m1-beta" },
      peer: { nodeName: "alpha", address: "10.77.0.11", disk: "/dev/vg0/m1-alpha" },
    });
    expect(renderConfig84(there)).toBe(renderConfig84(config()));
  });
  it.each([
    "fencing resource-and-stonith;",
    "on-io-error call-local-io-error;",
    "protocol C;",
    "on-no-data-accessible suspend-io;",
    "after-sb-1pri disconnect;",
  ])("always says %s", (line) => expect(renderConfig84(config({ twoPrimaries: true }))).toContain(line));
  it("brackets IPv6 addresses", () => {
    const six = { nodeName: "alpha", address: "fd00::1", disk: "/dev/x" };
    expect(renderConfig84(config({ local: six }))).toContain("address ipv6 [fd00::1]:7900;");
  });
  it("refuses a secret that would end its string", () => {
    expect(() => renderConfig84(config({ sharedSecret: 'a"; x' }))).toThrow("without quotes");
  });
});
