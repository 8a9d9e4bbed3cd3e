import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEVICE, Safety } from "../safety-fixture.ts";

let s: Safety;

beforeAll(async () => {
  s = await Safety.start("safety-power");
});
afterAll(async () => s.stop());

describe("the check itself", () => {
  it("sees a write that is gone", async () => {
    await s.writers.pause("alpha");
    expect(await s.writers.missing("alpha")).toEqual([]);
    const last = s.writers.acknowledged().findLast(({ mode }) => mode === "direct")?.number ?? 0;
    const slot = last % 2048;
    const there = `of=${DEVICE} bs=4096 count=1 seek=${slot} oflag=direct conv=notrunc status=none`;
    await s.on(
      "alpha",
      `dd if=${DEVICE} of=/run/kept bs=4096 count=1 skip=${slot} iflag=direct status=none; dd if=/dev/zero ${there}`,
    );
    expect(await s.writers.missing("alpha")).toEqual([`alpha direct ${slot}: ${last} acknowledged, nothing found`]);
    // Back, for it is looked for by every test below: the writers come round to this block only minutes later.
    await s.on("alpha", `dd if=/run/kept ${there}`);
    expect(await s.writers.missing("alpha")).toEqual([]);
    await s.writers.resume("alpha");
    await s.writers.progress("alpha");
  });
});

describe("the primary's power is cut under load", () => {
  it("nothing acknowledged is missing on the other side, which takes over on order", async () => {
    await s.f.lab.guest("alpha").powerOff();
    const mark = s.writers.mark();
    await s.orderPrimary("beta");
    await s.writers.progress("beta", 120_000);
    expect(await s.writers.missing("beta")).toEqual([]);
    expect(s.writers.hostsSince(mark)).toEqual(["beta"]);
    expect(await s.members()).toBe('["beta"]');
    await s.f.waitFor("mirror/m1", "jsonpath={.status.primary}=beta");
    await s.f.waitFor("mirror/m1", "condition=Ready");
    await s.f.waitFor("mirror/m1", "condition=Degraded");
  });

  it("comes back as a copy that is filled, never writable", async () => {
    const mark = s.writers.mark();
    await s.powerOn("alpha");
    await s.expectWhole("beta");
    expect(s.writers.rolesSince(mark, "alpha")).toEqual(["Secondary"]);
    expect(s.writers.hostsSince(mark)).toEqual(["beta"]);
  });
});

describe("the power of both is cut under load", () => {
  it("the secondary that comes back alone waits, and takes over on order", async () => {
    await Promise.all([s.f.lab.guest("alpha").powerOff(), s.f.lab.guest("beta").powerOff()]);
    const mark = s.writers.mark();
    await s.powerOn("alpha");
    await s.kernelBecomes("alpha", /ro:Secondary\/Unknown ds:Consistent/, 120);
    expect(s.writers.hostsSince(mark)).toEqual([]);
    await s.orderPrimary("alpha");
    await s.writers.progress("alpha", 180_000);
    expect(await s.writers.missing("alpha")).toEqual([]);
    expect(await s.members()).toBe('["alpha"]');
  });

  it("the former primary comes back as a copy that is filled, never writable", async () => {
    const mark = s.writers.mark();
    await s.powerOn("beta");
    await s.expectWhole("alpha");
    expect(s.writers.rolesSince(mark, "beta")).toEqual(["Secondary"]);
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });

  it("the former primary alone goes on, whichever comes later", async () => {
    await Promise.all([s.f.lab.guest("alpha").powerOff(), s.f.lab.guest("beta").powerOff()]);
    const mark = s.writers.mark();
    await s.powerOn("alpha");
    await s.writers.progress("alpha", 180_000);
    expect(await s.writers.missing("alpha")).toEqual([]);
    expect(await s.members()).toBe('["alpha"]');
    await s.powerOn("beta");
    await s.expectWhole("alpha");
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });
});
