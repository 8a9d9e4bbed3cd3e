import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiProxy } from "../api-proxy.ts";
import { Safety } from "../safety-fixture.ts";

let s: Safety;
let proxy: ApiProxy;

beforeAll(async () => {
  s = await Safety.start("safety-store");
  proxy = await ApiProxy.start(s.f.cluster.port);
  await s.f.lab.forwardApi(s.f.cluster.port, proxy.port);
});
afterAll(async () => {
  await proxy.stop();
  await s.stop();
});

const cutBetween = () => s.f.lab.cutBetween("alpha", "beta");
const restoreBetween = () => s.f.lab.restoreBetween("alpha", "beta");
const etcd = (name: string) => join(s.f.cluster.folder, "server", name);

describe("the way to the API", () => {
  it("loses the reply to the decision: nothing is written before it is found again, and it is not taken twice", async () => {
    proxy.trouble = "replies are lost";
    cutBetween();
    await s.kernelBecomes("alpha", / s---/);
    const frozen = s.writers.mark();
    proxy.cut();
    await s.on("alpha", "sleep 2");
    expect(s.writers.hostsSince(frozen)).toEqual([]);
    proxy.trouble = "none";
    proxy.cut();
    await s.writers.progress("alpha", 120_000);
    expect(await s.members()).toBe('["alpha"]');
    restoreBetween();
    await s.expectWhole("alpha");
  });

  it("is slow: it takes as long, and nothing else", async () => {
    proxy.trouble = { delayMs: 1000 };
    const mark = s.writers.mark();
    cutBetween();
    await s.membersBecome(["alpha"]);
    await s.writers.progress("alpha", 120_000);
    proxy.trouble = "none";
    restoreBetween();
    await s.expectWhole("alpha");
    expect(s.writers.hostsSince(mark)).toEqual(["alpha"]);
  });
});

describe("the store is put back to the past", () => {
  it("a host that was off when it was overtaken is not promoted by it; a person's word ends it", async () => {
    await s.f.cluster.stop();
    cpSync(etcd("etcd"), etcd("etcd-old"), { recursive: true });
    await s.f.cluster.startServer();
    await s.f.lab.guest("alpha").powerOff();
    await s.orderPrimary("beta");
    await s.writers.progress("beta", 120_000);
    await s.f.cluster.stop();
    rmSync(etcd("etcd"), { recursive: true });
    cpSync(etcd("etcd-old"), etcd("etcd"), { recursive: true });
    await s.f.cluster.startServer();
    proxy.cut();
    await s.f.lab.guest("beta").powerOff();
    const mark = s.writers.mark();
    await s.powerOn("alpha");
    await s.f.waitForMessage("mirrorreplica/m1-alpha", /has seen epoch/);
    await s.powerOn("beta");
    await s.f.waitForMessage("mirrorreplica/m1-beta", /has seen epoch/);
    expect(s.writers.hostsSince(mark)).toEqual([]);
    await s.orderPrimary("beta");
    const incarnation = await s.f.get("hostpair/alpha.beta", "{.status.incarnation}");
    await s.f.patch("hostpair/alpha.beta", { spec: { trust: { hostName: "beta", incarnation } } });
    await s.writers.progress("beta", 120_000);
    await s.expectWhole("beta");
    expect(s.writers.hostsSince(mark)).toEqual(["beta"]);
  });
});
