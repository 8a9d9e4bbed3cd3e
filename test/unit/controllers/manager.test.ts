import { beforeEach, expect, it } from "vitest";
import type { ApiObject } from "../../../client/api-object.ts";
import { Manager, type Registrar } from "../../../controllers/manager.ts";
import { objects } from "../../../controllers/source.ts";
import { sleep } from "../../../machinery/clock.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";
import type { ResourceType } from "../../../machinery/resource-type.ts";
import { done } from "../../../machinery/result.ts";
import { widgetCrd } from "../apiserver/harness.ts";
import { type Link, startWorld, type World } from "../in-process.ts";

const CRDS: ResourceType<ApiObject> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
const CONFIG_MAPS: ResourceType<ApiObject> = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};
const WIDGETS: ResourceType<ApiObject> = {
  group: "example.com",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};

let world: World;
let link: Link;
let manager: Manager;
let stop: AbortController;
let passes: string[];

beforeEach(async () => {
  world = await startWorld();
  link = world.link();
  stop = new AbortController();
  passes = [];
  const client = world.client(link);
  manager = new Manager({ client, clock: world.clock, random: seededRandom(1), log: silentLogger });
});

const noting = (name: string, registrar: Registrar, type: ResourceType<ApiObject>) =>
  registrar.add({
    name,
    sources: [objects(type)],
    reconcile: async (_, request) => {
      passes.push(`${name} ${request.name}`);
      return done;
    },
  });
const configMap = (name: string) => world.client().create(CONFIG_MAPS, { metadata: { namespace: "default", name } });
const watches = () => link.asked.filter((line) => line.includes("watch=true"));

it("opens one watch for each kind, however many controllers follow it", async () => {
  await configMap("a");
  noting("one", manager.scope(), CONFIG_MAPS);
  noting("two", manager.scope(), CONFIG_MAPS);
  const running = manager.run(stop.signal);
  await world.clock.advance(1000);
  expect(passes).toEqual(["one a", "two a"]);
  expect(watches()).toHaveLength(1);
  stop.abort();
  await world.clock.settle();
  await running;
  expect(manager.health()).toMatchObject([{ resource: "configmaps", hasListed: true, sight: { kind: "blind" } }]);
});

it("lets a kind that is not served yet hold up only those who need it", async () => {
  await configMap("a");
  noting("maps", manager.scope(), CONFIG_MAPS);
  const scope = manager.scope();
  scope.cache(CONFIG_MAPS);
  noting("widgets", scope, WIDGETS);
  const running = manager.run(stop.signal);
  await world.clock.advance(60_000);
  expect(passes).toEqual(["maps a"]);
  expect(manager.health().find((each) => each.resource === "widgets.example.com")).toMatchObject({ hasListed: false });
  await world.client().create(CRDS, widgetCrd());
  const spec = { size: 1 };
  await world.client().create(WIDGETS, { metadata: { namespace: "default", name: "w" }, spec } as ApiObject);
  await world.clock.advance(31_000);
  expect(passes).toEqual(["maps a", "widgets w"]);
  stop.abort();
  await world.clock.settle();
  await running;
});

it("starts no controller on half a list", async () => {
  for (const name of ["a", "b"]) await configMap(name);
  noting("maps", manager, CONFIG_MAPS);
  link.hangWatches();
  const running = manager.run(stop.signal);
  await world.clock.advance(20_000);
  expect(passes).toEqual([]);
  link.mend();
  await world.clock.advance(1000);
  expect(passes).toEqual(["maps a", "maps b"]);
  stop.abort();
  await world.clock.settle();
  await running;
});

it("stops after the passes that run, while their caches still follow", async () => {
  await configMap("a");
  let ended = false;
  manager.add({
    name: "slow",
    sources: [objects(CONFIG_MAPS)],
    reconcile: async ({ signal }) => {
      await sleep(world.clock, 60_000, signal).catch(() => undefined);
      // What it was doing takes its time to end.
      await sleep(world.clock, 500);
      expect(manager.health()[0]?.sight.kind).toBe("synced");
      ended = true;
      return done;
    },
  });
  const running = manager.run(stop.signal);
  await world.clock.advance(1000);
  stop.abort();
  await world.clock.advance(400);
  expect(ended).toBe(false);
  await world.clock.advance(200);
  await running;
  expect(ended).toBe(true);
});

it("refuses to open a cache that nobody would fill", async () => {
  const running = manager.run(stop.signal);
  expect(() => manager.cache(WIDGETS)).toThrow("before the manager runs");
  stop.abort();
  await running;
});
