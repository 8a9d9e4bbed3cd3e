import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Safety } from "../safety-fixture.ts";

let s: Safety;

beforeAll(async () => {
  s = await Safety.start("safety-disks", { disks: true });
});
afterAll(async () => s.stop());

const tombstone = (host: "alpha" | "beta") => s.on(host, "ls /var/lib/ferrite/tombstones 2>/dev/null || true");

describe("the secondary's disk fails under load", () => {
  it("writes go on, the copy is out, and it comes back by a full resync", async () => {
    const mark = s.writers.mark();
    await s.f.lab.guest("beta").failDisk(3);
    await s.membersBecome(["alpha"]);
    await s.writers.progress("alpha");
    expect(await tombstone("beta")).toContain("minor-1000");
    await s.f.lab.guest("beta").healDisk(3);
    await s.expectWhole("alpha");
    expect(await tombstone("beta")).toBe("");
    expect(s.writers.errorsSince(mark)).toEqual([]);
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });

  it("is not promoted when it was restarted with its disk working, and the primary is gone", async () => {
    await s.f.lab.guest("beta").failDisk(3);
    await s.membersBecome(["alpha"]);
    await s.writers.progress("alpha");
    await s.f.lab.guest("beta").powerOff();
    await s.writers.progress("alpha");
    await s.f.lab.guest("alpha").powerOff();
    const mark = s.writers.mark();
    await s.f.lab.guest("beta").healDisk(3);
    await s.powerOn("beta");
    await s.orderPrimary("beta");
    await s.f.waitForMessage("mirrorreplica/m1-beta", /does not hold every acknowledged write/);
    expect(s.writers.rolesSince(mark, "beta")).not.toContain("Primary");
    await s.orderPrimary("alpha");
    await s.powerOn("alpha");
    await s.expectWhole("alpha");
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });
});

describe("a resync that is cut short", () => {
  it("by the power of its source: the half-filled copy is not promoted", async () => {
    await s.f.lab.guest("beta").failDisk(3);
    await s.membersBecome(["alpha"]);
    await s.f.patch("mirror/m1", { spec: { resyncRate: "1Mi" } });
    await s.f.lab.guest("beta").healDisk(3);
    await s.kernelBecomes("beta", /SyncTarget.*Inconsistent/, 120);
    await s.f.lab.guest("alpha").powerOff();
    const mark = s.writers.mark();
    await s.orderPrimary("beta");
    await s.f.waitForMessage(
      "mirrorreplica/m1-beta",
      /does not hold every acknowledged write|disk here is Inconsistent/,
    );
    expect(await s.kernel("beta")).toMatch(/ro:Secondary.*ds:Inconsistent/);
    await s.orderPrimary("alpha");
    await s.powerOn("alpha");
    await s.f.patch("mirror/m1", { spec: { resyncRate: "100Mi" } });
    await s.expectWhole("alpha");
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });
});

describe("the primary's disk fails under load", () => {
  it("nothing acknowledged is missing", async () => {
    await s.f.lab.guest("alpha").failDisk(3);
    await s.membersBecome(["beta"]);
    await s.writers.progress("alpha", 120_000);
    await s.f.lab.guest("alpha").healDisk(3);
    await s.expectWhole("alpha");
  });
});

describe("the last whole copy's disk fails", () => {
  it("the device waits for it, and nothing acknowledged is missing when it is back", async () => {
    await s.f.lab.guest("beta").powerOff();
    await s.membersBecome(["alpha"]);
    await s.writers.progress("alpha");
    await s.f.lab.guest("alpha").failDisk(3);
    await s.f.waitForMessage("mirrorreplica/m1-alpha", /frozen|waits for the peer|without its own disk/);
    const mark = s.writers.mark();
    await s.powerOn("beta");
    await s.orderPrimary("beta");
    await s.f.waitForMessage("mirrorreplica/m1-beta", /does not hold every acknowledged write/);
    expect(s.writers.rolesSince(mark, "beta")).not.toContain("Primary");
    await s.orderPrimary("alpha");
    await s.f.lab.guest("alpha").powerOff();
    await s.f.lab.guest("alpha").healDisk(3);
    await s.powerOn("alpha");
    await s.expectWhole("alpha");
  });
});
