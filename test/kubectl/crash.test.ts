import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { ApiClient } from "../../hack/bench/api-client.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { Recorder } from "../etcd/recorder.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { type Follower, KubectlFollower, RawFollower } from "./follower.ts";
import {
  contradictions,
  describeEvent,
  type Event,
  eventOf,
  eventsOf,
  isListThenWatch,
  stateAfter,
} from "./history.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD } from "./widgets.ts";
import { writeLast, Writer, type WrittenKind } from "./writer.ts";

let server: FerriteServer;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
  await kubectl.ok(["wait", "--for=condition=Established", "crd/widgets.example.com"]);
});

afterAll(() => server.destroy());

const WRITERS = 8;
/** Acknowledged writes before each kill. */
const BETWEEN = 100;
const KINDS = [
  {
    resource: "configmaps",
    prefix: "/registry/configmaps/storm/",
    path: "/api/v1/namespaces/storm/configmaps",
    body: { data: { a: "b" } },
  },
  {
    resource: "widgets",
    prefix: "/registry/example.com/widgets/storm/",
    path: "/apis/example.com/v1/namespaces/storm/widgets",
    body: { apiVersion: "example.com/v1", kind: "Widget", spec: { size: 3 } },
  },
] as const satisfies readonly (WrittenKind & { resource: string; prefix: string })[];

/** Waits until it has been told what is at `revision`, and stops it. */
async function reach(follower: Follower, revision: number): Promise<void> {
  await expect.poll(() => follower.revision, { timeout: 20_000 }).toBeGreaterThanOrEqual(revision);
  await follower.stop();
}

async function listed({ path }: WrittenKind): Promise<readonly Event[]> {
  const client = new ApiClient(server.kubeconfig);
  const { items } = JSON.parse((await client.ask("GET", path)).text) as { items: KubeObject[] };
  client.close();
  return items.map((item) => eventOf("ADDED", item));
}

const isEven = ({ metadata }: KubeObject): boolean => metadata.labels?.["parity"] === "even";

/** Kills what `what` names, and sees to it that the server runs again. */
const KILLS: Readonly<Record<string, () => Promise<void>>> = {
  server: async () => {
    await server.kill();
    await server.launch();
  },
  etcd: async () => server.killEtcd(),
  both: async () => {
    server.killEtcd();
    await server.kill();
    await server.launch();
  },
};

/** Nine rounds, each of which may take as long as its own limit on a busy machine. */
const STORM_MS = 400_000;

describe("kill -9 in the middle of writes", { timeout: STORM_MS }, () => {
  it("keeps every acknowledged write, and every watch sees every event once and in order", async () => {
    await kubectl.ok(["create", "ns", "storm"]);
    const storage = new EtcdStorage({ endpoints: [server.etcdEndpoint] });
    const start = await storage.currentRevision();
    const followed = KINDS.map((kind) => ({
      kind,
      all: [1, 2, 3].map(() => new RawFollower([server.kubeconfig], kind.path, start)),
      even: new RawFollower([server.kubeconfig], `${kind.path}?labelSelector=parity%3Deven`, start),
      shown: new KubectlFollower(new Kubectl(server.kubeconfig), kind.resource, "-n", "storm"),
    }));
    const writers = KINDS.map((kind) =>
      Array.from({ length: WRITERS }, (_, n) => new Writer([server.kubeconfig], kind, `w-${n}`)),
    );
    const writing = Promise.all(writers.flat().map((writer) => writer.run()));
    onTestFinished(async () => {
      for (const writer of writers.flat()) writer.stop();
      for (const { all, even, shown } of followed) for (const each of [...all, even, shown]) await each.stop();
      await storage.close();
    });
    const acknowledged = () => writers.flat().reduce((sum, writer) => sum + writer.acknowledged.length, 0);
    const further = async () => {
      const target = acknowledged() + BETWEEN;
      await expect.poll(acknowledged, { timeout: 40_000, interval: 10 }).toBeGreaterThan(target);
    };
    for (const what of ["server", "etcd", "both", "server", "etcd", "server", "etcd", "both"]) {
      await further();
      await KILLS[what]?.();
    }
    await further();
    for (const writer of writers.flat()) writer.stop();
    await writing;
    for (const [index, { kind, all, even, shown }] of followed.entries()) {
      const last = await writeLast(server.kubeconfig, kind);
      for (const follower of [...all, even, shown]) await reach(follower, last);
      const changes = await new Recorder(storage, 0, kind.prefix).stopAt(last);
      const events = eventsOf(changes);
      for (const writer of writers[index] ?? []) {
        const own = events.filter(({ name }) => name === writer.name);
        expect(contradictions(writer, own), writer.name).toEqual([]);
      }
      const wanted = events.filter(({ revision }) => revision > start);
      for (const follower of all) expect(follower.log).toEqual(wanted.map(describeEvent));
      expect(even.log).toEqual(
        eventsOf(changes, isEven)
          .filter(({ revision }) => revision > start)
          .map(describeEvent),
      );
      expect(all[0]?.opened).toBeGreaterThan(4);
      expect(shown.logs.length).toBeGreaterThan(2);
      for (const log of shown.logs) expect(isListThenWatch(log, events), log.join("\n")).toBe(true);
      expect(await listed(kind)).toEqual(stateAfter(events));
    }
  });
});

it("stops in order: watches end cleanly, exit code 0", async () => {
  const client = new ApiClient(server.kubeconfig);
  const lines: string[] = [];
  await client.watch("/api/v1/configmaps?watch=1", (line) => lines.push(line));
  await expect.poll(() => lines.length).toBeGreaterThan(0);
  expect(await server.stop()).toBe(0);
  expect(lines.filter((line) => line.includes('"type":"ERROR"'))).toEqual([]);
  client.close();
  await server.launch();
});

describe("the judges of this file find", () => {
  const event = (type: string, revision: number, name = "a"): Event => ({ type, name, revision, step: `s${revision}` });
  const events = [
    event("ADDED", 5),
    event("ADDED", 6, "b"),
    event("MODIFIED", 7),
    { ...event("DELETED", 8), step: "s7" },
  ];
  const lines = events.map(describeEvent);
  const [first = "", second = "", third = "", fourth = ""] = lines;

  it.each<[string, boolean, readonly string[]]>([
    ["all of it as events", true, lines],
    ["a list of two, then the events", true, [first, second, third, fourth]],
    ["a list of the end", true, [second]],
    ["a list, cut off later", true, ["ADDED a@7 s7", second]],
    ["an event that is missing", false, [first, second, fourth]],
    ["an event that came twice", false, [first, second, third, third, fourth]],
    ["two events in the wrong order", false, [first, third, second, fourth]],
    ["an event of the list that came again", false, ["ADDED a@7 s7", second, third]],
    ["another content", false, [first, second, third.replace("s7", "s5")]],
  ])("%s: %s", (_, right, log) => {
    expect(isListThenWatch(log, events)).toBe(right);
  });

  it("a write that was acknowledged and is gone, and one that nobody made", () => {
    const own = events.filter(({ name }) => name === "a");
    expect(contradictions({ acknowledged: own, unknown: 0 }, own)).toEqual([]);
    expect(contradictions({ acknowledged: own.slice(1), unknown: 1 }, own)).toEqual([]);
    expect(contradictions({ acknowledged: own.slice(1), unknown: 0 }, own)).toHaveLength(1);
    expect(contradictions({ acknowledged: own, unknown: 9 }, own.slice(1))).toHaveLength(1);
    expect(contradictions({ acknowledged: [event("MODIFIED", 9)], unknown: 9 }, own)).toHaveLength(1);
  });
});
