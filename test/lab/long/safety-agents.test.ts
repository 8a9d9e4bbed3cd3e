import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Safety } from "../safety-fixture.ts";

let s: Safety;

beforeAll(async () => {
  s = await Safety.start("safety-agents");
});
afterAll(async () => s.stop());

const cutBetween = () => s.f.lab.cutBetween("alpha", "beta");
const restoreBetween = () => s.f.lab.restoreBetween("alpha", "beta");
const epoch = async () => Number(await s.f.get("hostpair/alpha.beta", "{.status.epoch}"));

describe("the primary's agent is killed", () => {
  it("before the link breaks: writes wait for its restart", async () => {
    await s.f.cluster.killAgent("alpha");
    cutBetween();
    await s.kernelBecomes("alpha", / s---/);
    const frozen = s.writers.mark();
    await s.on("alpha", "sleep 2");
    expect(s.writers.hostsSince(frozen)).toEqual([]);
    expect(await s.members()).toBe('["alpha","beta"]');
    await s.f.cluster.startAgent("alpha");
    await s.writers.progress("alpha", 120_000);
    expect(await s.members()).toBe('["alpha"]');
    restoreBetween();
    await s.expectWhole("alpha");
  });

  it("at once after the decision is recorded: the next one finishes it", async () => {
    const before = await epoch();
    cutBetween();
    while ((await epoch()) === before) await s.on("alpha", "true");
    await s.f.cluster.killAgent("alpha");
    expect(await s.members()).toBe('["alpha"]');
    await s.f.cluster.startAgent("alpha");
    await s.writers.progress("alpha", 120_000);
    restoreBetween();
    await s.expectWhole("alpha");
  });

  it("together with the helper that waits: the device is found frozen and decided", async () => {
    await s.f.cluster.killAgent("alpha");
    cutBetween();
    await s.kernelBecomes("alpha", / s---/);
    await s.on("alpha", "pkill -9 -f '^/bin/sh /usr/lib/ferrite/drbd-helper fence-peer'");
    const frozen = s.writers.mark();
    await s.on("alpha", "sleep 1");
    expect(s.writers.hostsSince(frozen)).toEqual([]);
    await s.f.cluster.startAgent("alpha");
    await s.writers.progress("alpha", 120_000);
    expect(await s.members()).toBe('["alpha"]');
    restoreBetween();
    await s.expectWhole("alpha");
  });
});

describe("hands", () => {
  it("resume-io before anybody decided: the other side leaves the record at once", async () => {
    await s.f.cluster.killServer();
    cutBetween();
    await s.kernelBecomes("alpha", / s---/);
    await s.on("alpha", "drbdsetup resume-io 1000");
    await s.f.cluster.startServer();
    await s.membersBecome(["alpha"]);
    await s.writers.progress("alpha");
    restoreBetween();
    await s.expectWhole("alpha");
  });

  it("a promotion of the side that is out is refused, and does not hang", async () => {
    cutBetween();
    await s.membersBecome(["alpha"]);
    const said = await s.on("beta", "timeout -s KILL 60 drbdsetup primary m1 2>&1; echo exit $?");
    expect(said).toMatch(/exit [1-9]\d?$/m);
    expect(await s.kernel("beta")).toMatch(/ro:Secondary/);
    await s.writers.progress("alpha");
  });

  it("by force it is seen and said, and taken back as soon as nothing has the device open", async () => {
    await s.on("beta", "drbdsetup primary --force m1");
    await s.f.waitFor("mirror/m1", "condition=SplitBrain");
    expect(await s.f.get("mirror/m1", '{.status.conditions[?(@.type=="SplitBrain")].message}')).toContain("by hand");
    await s.writers.progress("alpha");
    await s.writers.pause("beta");
    await s.kernelBecomes("beta", /ro:Secondary/);
  });
});
