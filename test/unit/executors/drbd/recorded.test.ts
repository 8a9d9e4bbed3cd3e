import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { internalMetadataBytes } from "../../../../executors/drbd/metadata-size.ts";
import { CommandError } from "../../../../executors/command/errors.ts";
import {
  classifyDumpFailure,
  isAttached,
  observeReplica,
  parseGenerations,
} from "../../../../executors/drbd/observe.ts";
import { DrbdParseError, parseEvent, parseEventsDump } from "../../../../executors/drbd/parse-events.ts";
import { parseProgress } from "../../../../executors/drbd/parse-progress.ts";

/** What drbd-utils 9.22.0 printed over the kernel's DRBD 8.4.11. */
const FOLDER = "test/fixtures/drbd/9.22.0-kernel-8.4.11";

interface Recorded {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}
const recorded = (name: string): Recorded => JSON.parse(readFileSync(`${FOLDER}/${name}.json`, "utf8"));
const resource = (name: string) => parseEventsDump(recorded(`events2-plain-${name}`).stdout).get("r0");

describe("metadata that nothing has attached", () => {
  /** Only what `dump-md` and `get-gi` print differs. */
  const observe = (dump: string, generation: string) =>
    observeReplica(
      "r0",
      "/dev/x",
      {
        async run(command) {
          const [program, verb] = command.argv;
          const output =
            program === "blkid"
              ? { exitCode: 2, stdout: "", stderr: "" }
              : recorded(`drbdadm-${verb === "dump-md" ? `dump-md-${dump}` : `get-gi-${generation}`}`);
          if (output.exitCode !== 0) throw new CommandError(command, output);
          return output;
        },
        read: async (path) => (path.endsWith(".res") ? "resource r0 {}" : undefined),
        realPath: async (path) => path,
        write: () => Promise.reject(new Error("only looks")),
      },
      new AbortController().signal,
    );

  test.each([
    // What the dump itself says is not asked for again.
    ["created", "in-use", { metadata: "yes", usedBefore: false }],
    ["after-power-cut", "created", { metadata: "yes", usedBefore: false }],
    ["clean", "in-use", { metadata: "yes", usedBefore: true }],
    ["clean", "no-metadata", { metadata: "yes", usedBefore: true }],
    ["none", "no-metadata", { metadata: "no", usedBefore: false }],
  ])("dump-md %s, get-gi %s: %j", async (dump, generation, expected) => {
    expect(await observe(dump, generation)).toMatchObject(expected);
  });
});

describe("parseEventsDump", () => {
  /** role, connection, replication, peer's disk, own disk, suspended. */
  test.each([
    ["no-metadata", "Secondary StandAlone Off DUnknown Diskless -"],
    ["waiting-for-connection", "Secondary Connecting Off DUnknown Inconsistent -"],
    ["connected-inconsistent", "Secondary Connected Established Inconsistent Inconsistent -"],
    ["sync-source", "Primary Connected SyncSource Inconsistent UpToDate -"],
    ["sync-target", "Secondary Connected SyncTarget UpToDate Inconsistent -"],
    ["primary-sync-target", "Primary Connected SyncTarget UpToDate Inconsistent -"],
    ["primary-up-to-date", "Primary Connected Established UpToDate UpToDate -"],
    ["secondary-up-to-date", "Secondary Connected Established UpToDate UpToDate -"],
    ["stand-alone-primary", "Primary StandAlone Off DUnknown UpToDate -"],
    ["verifying", "Primary Connected VerifyS UpToDate UpToDate -"],
  ])("reads %s", (name, expected) => {
    const { role, connection, device, suspended } = resource(name)!;
    const disk = device?.diskState;
    const words = [
      role,
      connection?.state,
      connection?.replication,
      connection?.peerDiskState,
      disk,
      suspended.join() || "-",
    ];
    expect(words.join(" ")).toBe(expected);
  });

  it("sees that I/O is frozen, and why", () => {
    const { stdout } = recorded("events2-plain-primary-up-to-date");
    const frozen = (reason: string) => parseEventsDump(stdout.replace("suspended:no", `suspended:${reason}`)).get("r0");
    expect(frozen("fencing")?.suspended).toEqual(["fencing"]);
    expect(frozen("user,no-data")?.suspended).toEqual(["user", "no-data"]);
  });

  it("reads every recorded dump, with and without timestamps", () => {
    const names = readdirSync(FOLDER).filter((name) => /^events2-(?!stream)/.test(name));
    expect(names.length).toBeGreaterThan(30);
    for (const name of names)
      expect(() => parseEventsDump(recorded(name.replace(".json", "")).stdout), name).not.toThrow();
  });

  it("counts in bytes", () => {
    expect(resource("connected-inconsistent")).toMatchObject({
      connection: { outOfSyncBytes: 65496 * 1024 },
      device: { sizeBytes: 65496 * 1024, minor: 1000 },
    });
    expect(resource("verify-found-differences")?.connection?.outOfSyncBytes).toBe(1024 * 1024);
  });

  test.each(["unconfigured", "no-module"])("finds nothing when there is provably nothing: %s", (name) => {
    const file = name === "no-module" ? "events2-no-module" : `events2-plain-${name}`;
    expect(parseEventsDump(recorded(file).stdout).size).toBe(0);
  });

  it("concludes nothing from a dump that was cut, wherever", () => {
    const { stdout } = recorded("events2-plain-primary-up-to-date");
    const end = stdout.indexOf("exists -");
    for (let cut = 0; cut < end; cut += 7)
      expect(() => parseEventsDump(stdout.slice(0, cut)), `cut at ${cut}`).toThrow(DrbdParseError);
  });

  it("reads every line of a recorded stream", () => {
    const lines = recorded("events2-stream-first-sync").stdout.split("\n");
    const events = lines.flatMap((line) => parseEvent(line) ?? []);
    expect(events.length).toBe(lines.filter((line) => line !== "").length);
    expect(
      events.some(
        ({ subject, facts }) => subject === "peer-device" && /^Sync(Source|Target)$/.test(facts["replication"] ?? ""),
      ),
    ).toBe(true);
  });

  it("tells an attached disk from none", () => {
    expect(isAttached(resource("no-metadata"))).toBe(false);
    expect(isAttached(resource("sync-target"))).toBe(true);
    expect(isAttached(undefined)).toBe(false);
  });
});

describe("parseProgress", () => {
  /** Recorded; copied here, for the next recording meets another moment. */
  const SYNC = [
    "version: 8.4.11 (api:1/proto:86-101)",
    "srcversion: F73C670A7EC572DB9CF3E5B ",
    "",
    "1000: cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----",
    "    ns:0 nr:9536 dw:9536 dr:0 al:8 bm:0 lo:1 pe:7 ua:0 ap:0 ep:1 wo:f oos:55960",
    "\t[==>.................] sync'ed: 18.8% (55960/65496)K",
    "\tfinish: 0:00:11 speed: 4,768 (4,768) want: 4,096 K/sec",
  ];
  const VERIFY = [
    "1001: cs:VerifyS ro:Primary/Secondary ds:UpToDate/UpToDate C r-----",
    "    ns:4112 nr:0 dw:143708 dr:73155 al:10 bm:0 lo:0 pe:0 ua:32 ap:0 ep:1 wo:f oos:0",
    "\t[>...................] verified:  6.3% (62768/65496)K",
    "\tfinish: 1:00:22 speed: 2,728 (2,728) want: 4,096 K/sec",
  ];

  it("reads a resync and a verify, each for its own device", () => {
    expect([...parseProgress([...SYNC, ...VERIFY].join("\n"))]).toEqual([
      [1000, { percent: 18.8, remainingSeconds: 11 }],
      [1001, { percent: 6.3, remainingSeconds: 3622 }],
    ]);
  });

  it("gives one that stalled without a time", () => {
    expect([...parseProgress(SYNC.slice(0, 6).join("\n"))]).toEqual([
      [1000, { percent: 18.8, remainingSeconds: undefined }],
    ]);
  });

  test.each(["sync-source", "sync-target", "verifying"])("finds one in %s", (name) => {
    const [[minor, progress] = []] = parseProgress(recorded(`proc-drbd-${name}`).stdout);
    expect(minor).toBe(1000);
    expect(progress?.percent).toBeGreaterThan(0);
    expect(progress?.percent).toBeLessThan(100);
  });

  test.each(["unconfigured", "no-metadata", "primary-up-to-date", "stand-alone-primary"])(
    "finds none in %s",
    (name) => {
      expect(parseProgress(recorded(`proc-drbd-${name}`).stdout).size).toBe(0);
    },
  );
});

describe("metadata", () => {
  test.each([
    ["drbdadm-dump-md-none", "no"],
    ["drbdadm-dump-md-in-use", "unknown"],
  ])("%s means: there is metadata: %s", (name, expected) => {
    const { exitCode, stdout, stderr } = recorded(name);
    expect(exitCode).not.toBe(0);
    expect(classifyDumpFailure(`${stdout}\n${stderr}`)).toBe(expected);
  });

  it("has the generation without its primary bit", () => {
    expect(parseGenerations(recorded("drbdadm-get-gi-created").stdout)).toEqual({
      current: "0000000000000004",
      bitmap: undefined,
    });
    expect(recorded("drbdadm-get-gi-in-use").stdout).toMatch(/^7D460AFA2789F1AD:|^[0-9A-F]{15}[13579BDF]:/);
    const [first] = recorded("drbdadm-get-gi-in-use").stdout.split(":");
    expect(BigInt(`0x${parseGenerations(`${first}:0000000000000000:0:0`).current}`)).toBe(BigInt(`0x${first}`) - 1n);
    expect(() => parseGenerations(recorded("drbdadm-get-gi-no-metadata").stdout)).toThrow(DrbdParseError);
  });

  it("takes as much as drbdmeta says", () => {
    const dump = recorded("drbdadm-dump-md-created").stdout;
    const number = (name: string) => Number(new RegExp(`# ${name} (\\d+)`).exec(dump)?.[1]);
    const deviceBytes = number("md_offset") + 4096;
    expect(internalMetadataBytes(deviceBytes)).toBe(number("md_size_sect") * 512);
    expect(deviceBytes - internalMetadataBytes(deviceBytes)).toBe(number("bm_offset"));
    // And what the kernel then offers as the size of the device.
    expect(number("bm_offset")).toBe(resource("connected-inconsistent")?.device?.sizeBytes);
  });
});
