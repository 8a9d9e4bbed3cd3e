import { afterAll, beforeAll, expect, it } from "vitest";
import { Fixture } from "../cluster-fixture.ts";

let f: Fixture;

beforeAll(async () => {
  f = await Fixture.start("test-join", ["alpha"]);
});
afterAll(async () => f.stop());

const alpha = (script: string) => f.lab.guest("alpha").sh(script, { timeoutMs: 60_000 });
const agentPid = () => alpha("pgrep -f '^node .*ferrite-agent.mjs agent ' || true");
const patience = () => ({ timeout: f.seconds(60) * 1000, interval: 500 });
const certificate = () => alpha("md5sum /var/lib/ferrite/agent.pem");

it("joins a machine, which registers itself with what it is", async () => {
  await f.waitFor("host/alpha", "condition=Ready");
  const bootId = (await alpha("cat /proc/sys/kernel/random/boot_id")).trim();
  const said = () => f.get("host/alpha", "{.spec.address} {.status.bootID}");
  await expect.poll(said, patience()).toBe(`10.77.0.11 ${bootId}`);
});

it("does nothing the second time", async () => {
  const [pid, before] = [await agentPid(), await certificate()];
  await f.cluster.join("alpha");
  expect([await agentPid(), await certificate()]).toEqual([pid, before]);
});

it("brings a newer agent and starts it, under the same identity", async () => {
  const [pid, before] = [await agentPid(), await certificate()];
  await alpha("echo >>/persist/ferrite/ferrite-agent.mjs");
  await f.cluster.join("alpha");
  await expect.poll(agentPid, patience()).toMatch(/^\d+\n$/);
  expect(await agentPid()).not.toBe(pid);
  expect(await certificate()).toBe(before);
});

it("starts the agent again when it dies, and with the machine", async () => {
  const pid = await agentPid();
  await alpha("pkill -9 -f '^node .*ferrite-agent.mjs agent '");
  await expect.poll(agentPid, patience()).toMatch(/^\d+\n$/);
  expect(await agentPid()).not.toBe(pid);
  await f.lab.guest("alpha").powerOff();
  await f.waitFor("host/alpha", "condition=Ready=False");
  await f.lab.guest("alpha").powerOn();
  await f.waitFor("host/alpha", "condition=Ready");
});
