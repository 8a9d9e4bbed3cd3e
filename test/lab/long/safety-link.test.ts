import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Safety } from "../safety-fixture.ts";

let s: Safety;

beforeAll(async () => {
  s = await Safety.start("safety-link");
});
afterAll(async () => s.stop());

const cutBetween = () => s.f.lab.cutBetween("alpha", "beta");
const restoreBetween = () => s.f.lab.restoreBetween("alpha", "beta");

describe("the link is cut under load, the API is there", () => {
  it.each([1, 2, 3])("the primary goes on alone (%s)", async (round) => {
    const mark = s.writers.mark();
    cutBetween();
    await s.membersBecome(["alpha"]);
    await s.writers.progress("alpha");
    const asked = await s.helperCalled("alpha", "fence-peer");
    const end = s.writers.pauseEnd(mark, "alpha", "dsync");
    const pause = s.writers.longestPause(mark, "alpha", "dsync");
    console.log(
      `round ${round}: writes paused ${pause.toFixed(2)} s, ${(end - asked).toFixed(2)} s of it after DRBD asked`,
    );
    expect(end - asked).toBeLessThan(s.f.seconds(10));
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
    restoreBetween();
    await s.membersBecome(["alpha", "beta"]);
    expect(s.writers.errorsSince(mark)).toEqual([]);
  });

  it("the other side is not promoted, and says why", async () => {
    cutBetween();
    await s.membersBecome(["alpha"]);
    const mark = s.writers.mark();
    await s.orderPrimary("beta");
    await s.f.waitForMessage("mirrorreplica/m1-beta", /beta does not hold every acknowledged write.*alpha does/);
    await s.writers.progress("alpha");
    expect(s.writers.rolesSince(mark, "beta")).not.toContain("Primary");
    await s.orderPrimary("alpha");
    restoreBetween();
    await s.expectWhole("alpha");
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });
});

describe("the link is cut under load, the API is not there", () => {
  it("nothing is written until it is back", async () => {
    await s.f.cluster.killServer();
    cutBetween();
    await s.kernelBecomes("alpha", / s---/);
    const frozen = s.writers.mark();
    await s.on("alpha", "sleep 3");
    expect(s.writers.hostsSince(frozen)).toEqual([]);
    await s.f.cluster.startServer();
    await s.writers.progress("alpha");
    expect(await s.members()).toBe('["alpha"]');
    restoreBetween();
    await s.expectWhole("alpha");
  });

  it("the side that is cut off stays frozen while the other is ordered to take over", async () => {
    await s.f.lab.guest("alpha").cutLink();
    await s.kernelBecomes("alpha", / s---/);
    const frozen = s.writers.mark();
    await s.orderPrimary("beta");
    await s.writers.progress("beta", 120_000);
    expect(await s.writers.missing("beta")).toEqual([]);
    expect(await s.members()).toBe('["beta"]');
    await s.f.lab.guest("alpha").restoreLink();
    await s.f.waitFor("mirrorreplica/m1-alpha", "condition=NeedsReboot");
    await s.writers.progress("beta");
    expect(s.writers.hostsSince(frozen)).toEqual(["beta"]);
    expect(s.writers.errorsSince(frozen)).toEqual([]);
  });

  it("the loser is taken down without an answer to what it had not acknowledged, and is filled", async () => {
    const mark = s.writers.mark();
    await s.f.lab.guest("alpha").powerOff();
    await s.powerOn("alpha");
    await s.expectWhole("beta");
    expect(s.writers.rolesSince(mark, "alpha")).toEqual(["Secondary"]);
    expect(s.writers.hostsSince(mark)).toEqual(["beta"]);
  });

  it("a frozen primary that is restarted before anybody decided goes on with all that it acknowledged", async () => {
    await s.f.lab.guest("beta").cutLink();
    await s.kernelBecomes("beta", / s---/);
    await s.f.lab.guest("beta").powerOff();
    const mark = s.writers.mark();
    await s.powerOn("beta");
    await s.f.lab.guest("beta").restoreLink();
    await s.writers.progress("beta", 180_000);
    await s.expectWhole("beta");
    expect(s.writers.hostsSince(mark)).toEqual(["beta"]);
  });
});
