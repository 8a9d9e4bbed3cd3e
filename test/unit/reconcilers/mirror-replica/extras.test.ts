import { describe, expect, it, test } from "vitest";
import type { MirrorReplica, ReplicaFileSystem } from "../../../../crds/generated/mirror-replica.ts";
import { CommandError } from "../../../../executors/command/errors.ts";
import type { Command, Executor } from "../../../../executors/command/types.ts";
import type { ObservedReplica } from "../../../../executors/drbd/observe.ts";
import { fileSystemPass } from "../../../../reconcilers/mirror-replica/file-system.ts";
import { neededDecision, type MembershipView } from "../../../../reconcilers/mirror-replica/membership.ts";
import { discardPass } from "../../../../reconcilers/mirror-replica/split-brain.ts";
import { Verifications } from "../../../../reconcilers/mirror-replica/verify.ts";

const NOW = new Date("2026-03-01T12:00:00Z");
const replica = (spec: object = {}, status: object = {}): MirrorReplica =>
  ({
    metadata: { name: "m1-alpha", namespace: "default" },
    spec: { mirrorRef: { name: "m1" }, hostName: "alpha", peerHostName: "beta", role: "Primary", ...spec },
    status,
  }) as unknown as MirrorReplica;

const observed = (connection: object = {}, over: object = {}): ObservedReplica =>
  ({
    kernel: {
      name: "m1",
      role: "Primary",
      suspended: [],
      device: { minor: 1000, diskState: "UpToDate", sizeBytes: 2 ** 27 },
      connection: {
        state: "Connected",
        peerRole: "Secondary",
        peerDiskState: "UpToDate",
        replication: "Established",
        outOfSyncBytes: 0,
        ...connection,
      },
      ...over,
    },
  }) as unknown as ObservedReplica;

describe("a comparison", () => {
  const asked = replica({ verify: { order: "o1" } });
  const begin = (verifications: Verifications) => {
    const pass = verifications.look("m1", asked, observed(), NOW);
    if (pass.begun === undefined) throw new Error("it did not begin");
    verifications.follow("m1", pass.begun);
  };

  test.each([
    { name: "both copies are whole", seen: observed(), begins: true },
    {
      name: "a resync runs",
      seen: observed({ replication: "SyncSource", peerDiskState: "Inconsistent" }),
      begins: false,
    },
    { name: "the peer is away", seen: observed({ state: "Connecting", replication: "Off" }), begins: false },
    { name: "the copies are known to differ", seen: observed({ outOfSyncBytes: 4096 }), begins: false },
    { name: "I/O is frozen", seen: observed({}, { suspended: ["user"] }), begins: false },
  ])("begins when $name: $begins", ({ seen, begins }) => {
    expect(new Verifications().look("m1", asked, seen, NOW).steps.length > 0).toBe(begins);
  });

  it("is carried out once", () => {
    const done = { order: "o1", state: "Finished" };
    expect(new Verifications().look("m1", replica(asked.spec, { verify: done }), observed(), NOW).steps).toEqual([]);
  });

  it("has found what DRBD marked when it is over", () => {
    const verifications = new Verifications();
    begin(verifications);
    expect(verifications.look("m1", asked, observed({ replication: "VerifyS" }), NOW).state?.state).toBe("Running");
    const { state, steps } = verifications.look("m1", asked, observed({ outOfSyncBytes: 8192 }), NOW);
    expect(state).toMatchObject({ state: "Finished", outOfSyncBytes: 8192 });
    expect(steps).toEqual([]);
  });

  it("that lost its connection begins again, and says nothing of the copies", () => {
    const verifications = new Verifications();
    begin(verifications);
    const cut = verifications.look("m1", asked, observed({ state: "Connecting", replication: "Off" }), NOW);
    expect(cut.state).toEqual({ order: "o1", state: "Interrupted", startTime: "2026-03-01T12:00:00Z" });
    expect(verifications.look("m1", asked, observed(), NOW).steps).toHaveLength(1);
  });

  it("from before a restart of the agent is not taken for finished", () => {
    const running = replica(asked.spec, { verify: { order: "o1", state: "Running" } });
    const { state, steps } = new Verifications().look("m1", running, observed(), NOW);
    expect(state?.state).toBe("Interrupted");
    expect(steps).toHaveLength(1);
  });
});

describe("copies that differ", () => {
  const view = (over: Partial<MembershipView> = {}): MembershipView => ({
    mirror: { namespace: "default", name: "m1", uid: "u1" },
    me: "alpha",
    peer: "beta",
    entry: { namespace: "default", name: "m1", uid: "u1", members: ["alpha", "beta"], primary: "alpha" },
    epoch: 5,
    observed: observed({ outOfSyncBytes: 4096 }),
    beginsFirstGeneration: false,
    lags: false,
    toldRestart: false,
    diskFailed: false,
    wanted: { role: "Primary", connect: true },
    ...over,
  });
  const alone = { namespace: "default", name: "m1", uid: "u1", members: ["alpha"], primary: "alpha" };

  it("take the other side out of the record", () => {
    expect(neededDecision(view())?.why).toBe("take beta out: the two copies differ");
  });

  it("keep it out until they are the same", () => {
    expect(neededDecision(view({ entry: alone }))).toBeUndefined();
    expect(neededDecision(view({ entry: alone, observed: observed() }))?.why).toMatch(/take beta in/);
  });

  it("are no reason while a resync brings them together", () => {
    const seen = observed({ outOfSyncBytes: 4096, replication: "SyncSource" });
    expect(neededDecision(view({ observed: seen }))).toBeUndefined();
  });
});

describe("the victim of a split brain", () => {
  const entry = (...members: string[]) => ({ namespace: "default", name: "m1", uid: "u1", members });
  const apart = observed({ state: "StandAlone", replication: "Off" }, { role: "Secondary" });
  const view = (members: string[], seen = apart) =>
    ({
      mirror: { namespace: "default", name: "m1", uid: "u1" },
      me: "alpha",
      peer: "beta",
      entry: entry(...members),
      observed: seen,
    }) as unknown as MembershipView;
  const victim = replica({ role: "Secondary", discard: true });

  it("leaves the record before it gives anything up", () => {
    expect(discardPass(victim, view(["alpha", "beta"])).kind).toBe("decide");
    expect(discardPass(victim, view(["beta"])).kind).toBe("discard");
  });

  test.each([
    { name: "is to be primary", subject: replica({ discard: true }), members: ["beta"], reason: "VictimInUse" },
    { name: "alone holds every acknowledged write", subject: victim, members: ["alpha"], reason: "VictimIsTheMember" },
  ])("that $name is refused", ({ subject, members, reason }) => {
    expect(discardPass(subject, view(members))).toMatchObject({ kind: "refused", reason });
  });

  it("gives nothing up while it is primary still, or has met the other side", () => {
    expect(discardPass(victim, view(["beta"], observed({ state: "StandAlone" }))).kind).toBe("none");
    expect(discardPass(victim, view(["beta"], observed())).kind).toBe("none");
    expect(discardPass(replica({ role: "Secondary" }), view(["beta"])).kind).toBe("none");
  });
});

describe("the file system of a mirror", () => {
  const exec = (holds: string, mounts = ""): Executor => ({
    async run(command: Command) {
      if (holds === "") throw new CommandError(command, { exitCode: 2, stdout: "", stderr: "" });
      return { exitCode: 0, stdout: `${holds}\n`, stderr: "" };
    },
    read: async () => mounts,
    realPath: async (path) => path,
    write: async () => {},
  });
  const wanted = replica({ fileSystem: { type: "ext4", label: "data" } });
  const kernel = observed().kernel as NonNullable<ObservedReplica["kernel"]>;
  const SIZE = 2 ** 27;
  const pass = async (known: ReplicaFileSystem | undefined, holds: string, mounts?: string) => {
    const outcome = await fileSystemPass(wanted, known, kernel, exec(holds, mounts), new AbortController().signal);
    if (outcome.kind !== "steps") return outcome;
    return { ...outcome, steps: outcome.steps.map(({ effect }) => (effect as Command).argv.join(" ")) };
  };

  it("is noted before it is made", async () => {
    expect(await pass(undefined, "")).toEqual({ kind: "note", state: { state: "Making" } });
  });

  it("is made again when a crash left it half made", async () => {
    expect(await pass({ state: "Making" }, "ext4")).toMatchObject({
      steps: ["mkfs.ext4 -q -F -L data /dev/drbd1000"],
      done: { state: "Made", deviceBytes: SIZE },
    });
  });

  it("is never made over what is there", async () => {
    expect(await pass(undefined, "xfs")).toMatchObject({ kind: "blocked", reason: "DeviceHoldsData" });
    expect(await pass(undefined, "ext4")).toMatchObject({ kind: "note", state: { state: "Made" } });
    expect(await pass({ state: "Made", deviceBytes: SIZE }, "")).toMatchObject({ kind: "as it is" });
  });

  it("grows while it is mounted here, and is left alone otherwise", async () => {
    const small: ReplicaFileSystem = { state: "Made", deviceBytes: SIZE / 2 };
    expect(await pass(small, "ext4")).toEqual({ kind: "as it is", state: small });
    expect(await pass(small, "ext4", "/dev/drbd1000 /mnt ext4 rw 0 0\n")).toMatchObject({
      steps: ["resize2fs /dev/drbd1000"],
      done: { deviceBytes: SIZE },
    });
  });
});
