import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { ApiObject } from "../../../client/api-object.ts";
import { isNotFound } from "../../../client/errors.ts";
import { Reflector } from "../../../client/reflector.ts";
import type { RestClient } from "../../../client/rest.ts";
import { LEASES } from "../../../controllers/lease.ts";
import { type ControllersOptions, type RunningControllers, startControllers } from "../../../controllers/start.ts";
import { type Host, HOSTS } from "../../../crds/generated/host.ts";
import { formatMicroTime } from "../../../machinery/clock.ts";
import { findCondition } from "../../../machinery/conditions.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";
import type { ResourceType } from "../../../machinery/resource-type.ts";
import { type Link, startWorld, type World } from "../in-process.ts";

const CRDS: ResourceType<ApiObject> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};

let world: World;
let admin: RestClient;
let stop: AbortController;
/** Every state of Ready that anybody could see: `alpha Unknown NeverSeen@0`. */
let history: string[];
let agents: Agent[];
let controllers: { readonly running: RunningControllers; readonly link: Link }[];

beforeEach(async () => {
  world = await startWorld();
  admin = world.client();
  stop = new AbortController();
  history = [];
  agents = [];
  controllers = [];
  await admin.create(CRDS, parse(readFileSync("crds/host.yaml", "utf8")));
  const observer = new Reflector<Host>({
    client: admin,
    type: HOSTS,
    clock: world.clock,
    random: seededRandom(9),
    log: silentLogger,
  });
  observer.onChange(({ object }) => {
    const ready = findCondition(object.status?.conditions, "Ready");
    if (ready === undefined) return;
    const state = `${object.metadata.name} ${ready.status} ${ready.reason}`;
    const last = history.findLast((line) => line.startsWith(`${object.metadata.name} `));
    if (last?.startsWith(`${state}@`)) return;
    history.push(`${state}@${world.clock.monotonicMs()}`);
  });
  void observer.run(stop.signal);
});
afterEach(async () => {
  for (const agent of agents) agent.stop();
  const stopped = Promise.all(
    controllers.map(({ running, link }) => {
      link.mend();
      return running.stop();
    }),
  );
  stop.abort();
  await world.clock.advance(60_000);
  await stopped;
});

type Election = NonNullable<ControllersOptions["election"]>;

/** A leader that outlives the interruptions below: then only its own judgement keeps it from a wrong conclusion. */
const PATIENT: Election = { leaseMs: 400_000, renewDeadlineMs: 350_000, retryMs: 1000 };

function start(instance = "one", seed = 1, election: Election = {}) {
  const link = world.link();
  const { clock } = world;
  const running = startControllers({
    transport: link.transport,
    clock,
    random: seededRandom(seed),
    log: silentLogger,
    instance,
    election,
  });
  const started = { running, link };
  controllers.push(started);
  return started;
}

interface Agent {
  readonly link: Link;
  readonly stop: () => void;
  /** When the last renewal was answered. */
  readonly renewedMs: () => number;
}

/** What an agent owes the controllers: its Lease, every 2 s. */
function startAgent(host: string): Agent {
  const link = world.link();
  const { clock } = world;
  const client = world.client(link);
  const key = { namespace: "ferrite-system", name: `host-${host}` };
  let stopped = false;
  let renewedMs = -1;
  const renew = async () => {
    const spec = { holderIdentity: host, leaseDurationSeconds: 6, renewTime: formatMicroTime(clock.now()) };
    const timeout = new AbortController();
    clock.schedule(1500, () => timeout.abort());
    await client.patch(LEASES, key, { kind: "merge", body: { spec } }, timeout.signal).catch((error: unknown) => {
      if (isNotFound(error)) return client.create(LEASES, { metadata: key, spec }, timeout.signal);
      throw error;
    });
    renewedMs = clock.monotonicMs();
  };
  const tick = () => {
    if (stopped) return;
    clock.schedule(2000, tick);
    void renew().catch(() => undefined); // tries again at the next tick
  };
  tick();
  const agent = { link, renewedMs: () => renewedMs, stop: () => (stopped = true) };
  agents.push(agent);
  return agent;
}

const makeHost = (name: string) =>
  admin.create<ApiObject>(HOSTS, { metadata: { name }, spec: { address: "10.0.0.1" } } as ApiObject);
const states = () => history.map((line) => line.split("@")[0]);
const ready = async (name: string) => findCondition((await admin.get(HOSTS, { name })).status?.conditions, "Ready");

it("tells who was never seen, who lives, who fell silent, and who is back", async () => {
  await makeHost("alpha");
  start();
  await world.clock.advance(10_000);
  expect(await ready("alpha")).toMatchObject({
    status: "Unknown",
    reason: "NeverSeen",
    message: "no heartbeat from alpha was ever seen: start ferrite agent there",
    observedGeneration: 1,
  });
  const agent = startAgent("alpha");
  await world.clock.advance(20_000);
  expect(await ready("alpha")).toMatchObject({ status: "True", reason: "HeartbeatSeen" });
  agent.stop();
  await world.clock.advance(20_000);
  const silent = await ready("alpha");
  expect(silent).toMatchObject({ status: "False", reason: "HeartbeatLost" });
  expect(silent?.message).toMatch(/^no heartbeat from the agent of alpha since 2026-.*: see whether the machine runs/);
  const lostMs = Number(history.at(-1)?.split("@")[1]);
  expect(lostMs - agent.renewedMs()).toBeGreaterThanOrEqual(6000);
  expect(lostMs - agent.renewedMs()).toBeLessThan(6100);
  startAgent("alpha");
  await world.clock.advance(5000);
  expect(states()).toEqual([
    "alpha Unknown NeverSeen",
    "alpha True HeartbeatSeen",
    "alpha False HeartbeatLost",
    "alpha True HeartbeatSeen",
  ]);
});

it("writes nothing while nothing changes, and tells each change as an Event once", async () => {
  await makeHost("alpha");
  const agent = startAgent("alpha");
  const { link } = start();
  await world.clock.advance(20_000);
  const writes = () => link.asked.filter((line) => !line.startsWith("GET") && !line.includes("/leases/"));
  const before = writes().length;
  await world.clock.advance(120_000);
  expect(writes().slice(before)).toEqual([]);
  agent.stop();
  await world.clock.advance(60_000);
  expect(writes().slice(before)).toEqual([
    "PATCH /apis/ferrite.dev/v1alpha1/hosts/alpha/status?fieldManager=ferrite-host&force=true",
    "POST /api/v1/namespaces/default/events",
  ]);
});

it("leaves conditions of others alone and believes the agent that tools are missing", async () => {
  await makeHost("alpha");
  startAgent("alpha");
  start();
  await world.clock.advance(10_000);
  const tools = {
    type: "ToolsPresent",
    status: "False",
    reason: "ToolsMissing",
    message: "lvm is not installed: apt install lvm2",
    observedGeneration: 1,
    lastTransitionTime: "2026-01-01T00:00:00Z",
  } as const;
  const status = { uname: "alpha.example", conditions: [tools] };
  await admin.apply(HOSTS, { metadata: { name: "alpha" }, status } as ApiObject, {
    fieldManager: "ferrite-agent-alpha",
    force: true,
    subresource: "status",
  });
  await world.clock.advance(3000);
  expect(await ready("alpha")).toMatchObject({ status: "False", reason: "ToolsMissing", message: tools.message });
  const host = await admin.get(HOSTS, { name: "alpha" });
  expect(host.status?.uname).toBe("alpha.example");
  expect(findCondition(host.status?.conditions, "ToolsPresent")).toEqual(tools);
});

describe.each([
  { leader: "a leader that loses its term", election: {} },
  { leader: "a patient leader", election: PATIENT },
])("never calls a host dead that it could not hear ($leader)", ({ election }) => {
  const neverLost = () => expect(states().filter((state) => state?.includes("False"))).toEqual([]);

  it("when the whole API was away for long", async () => {
    await makeHost("alpha");
    await makeHost("beta");
    const [alpha, beta] = [startAgent("alpha"), startAgent("beta")];
    const { link } = start("one", 1, election);
    await world.clock.advance(20_000);
    const all = [alpha.link, beta.link, link];
    for (const each of all) each.cut();
    beta.stop(); // really dies, unseen
    await world.clock.advance(90_000);
    for (const each of all) each.mend();
    const back = world.clock.monotonicMs();
    await world.clock.advance(6000);
    neverLost();
    // 30 s at most until sight is back (the reflector's longest pause), then the host has its time.
    await world.clock.advance(40_000);
    expect(states().filter((state) => state?.includes("False"))).toEqual(["beta False HeartbeatLost"]);
    const lostMs = Number(history.findLast((line) => line.includes("False"))?.split("@")[1]);
    expect(lostMs - back).toBeGreaterThanOrEqual(6000);
    expect(await ready("alpha")).toMatchObject({ status: "True" });
  });

  it("when the agents' writes are refused but reads go on", async () => {
    await makeHost("alpha");
    const alpha = startAgent("alpha");
    const { link, running } = start("one", 1, election);
    await world.clock.advance(20_000);
    expect(running.isLeading()).toBe(true);
    // The store has run full: nobody can write, and every watch is well.
    const refuse = (from: Link) => from.refuseWrites();
    refuse(alpha.link);
    refuse(link);
    await world.clock.advance(60_000);
    alpha.link.mend();
    link.mend();
    // A pass right now, before the agent's next renewal.
    await admin.patch(HOSTS, { name: "alpha" }, { kind: "merge", body: { metadata: { labels: { touched: "" } } } });
    await world.clock.advance(100);
    neverLost();
    await world.clock.advance(30_000);
    neverLost();
    expect(await ready("alpha")).toMatchObject({ status: "True" });
  });

  it.each(["cut", "hang", "hangWatches"] as const)("when only the controllers cannot see (%s)", async (how) => {
    await makeHost("alpha");
    startAgent("alpha");
    const { link } = start("one", 1, election);
    await world.clock.advance(20_000);
    link[how]();
    await world.clock.advance(300_000);
    neverLost();
    link.mend();
    await world.clock.advance(60_000);
    neverLost();
    expect(await ready("alpha")).toMatchObject({ status: "True" });
  });

  it("when the controllers start anew or another takes over", async () => {
    await makeHost("alpha");
    await makeHost("beta");
    startAgent("alpha");
    const beta = startAgent("beta");
    const one = start("one", 1, election);
    await world.clock.advance(20_000);
    beta.stop();
    await world.clock.advance(20_000);
    history.length = 0;
    start("two", 2, election);
    one.link.hang();
    await world.clock.advance(30_000);
    one.link.mend();
    await world.clock.advance(30_000);
    expect(history).toEqual([]);
  });

  it("when a wall clock jumps, its own or the agent's", async () => {
    await makeHost("alpha");
    startAgent("alpha");
    start("one", 1, election);
    await world.clock.advance(20_000);
    for (const jump of [3_600_000, -86_400_000]) {
      world.clock.jumpWallClock(jump);
      await world.clock.advance(20_000);
    }
    neverLost();
  });
});

it("takes only a renewal for a heartbeat, not a Lease that somebody touches", async () => {
  await makeHost("alpha");
  const agent = startAgent("alpha");
  start();
  await world.clock.advance(20_000);
  agent.stop();
  for (let i = 0; i < 10; i += 1) {
    const body = { metadata: { labels: { touched: String(i) } } };
    await admin.patch(LEASES, { namespace: "ferrite-system", name: "host-alpha" }, { kind: "merge", body });
    await world.clock.advance(1000);
  }
  expect(await ready("alpha")).toMatchObject({ status: "False", reason: "HeartbeatLost" });
});
