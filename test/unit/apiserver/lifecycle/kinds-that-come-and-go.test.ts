import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startServer } from "../../../../apiserver/server.ts";
import { startWithWidgets, WIDGETS, widget, widgetCrd, type Harness } from "../harness.ts";
import { configMap, eventually, ownedBy } from "./world.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

let world: Harness;
beforeEach(async () => void (world = await startWithWidgets()));
afterEach(() => world.server.stop());

const gone = (path: string) => eventually(async () => expect((await world.ask("GET", path)).status).toBe(404));

describe("a kind of its own", () => {
  it("owns others, and is owned, like any", async () => {
    const { body: owner } = await world.ask("POST", WIDGETS, widget("owner"));
    await world.ask("POST", MAPS, configMap("child", [ownedBy(owner)]));
    const { body: root } = await world.ask("POST", MAPS, configMap("root"));
    const owned = widget("owned");
    await world.ask("POST", WIDGETS, { ...owned, metadata: { ...owned.metadata, ownerReferences: [ownedBy(root)] } });
    await world.ask("DELETE", `${WIDGETS}/owner`);
    await world.ask("DELETE", `${MAPS}/root`);
    await gone(`${MAPS}/child`);
    await gone(`${WIDGETS}/owned`);
  });

  it("takes its dependents along when its definition is deleted", async () => {
    // Whoever owned an object of a kind that is gone cannot be looked up any more: the collector must have known the kind.
    const { body: first } = await world.ask("POST", WIDGETS, widget("first"));
    await world.ask("POST", MAPS, configMap("known", [ownedBy(first)]));
    await world.ask("DELETE", `${WIDGETS}/first`);
    await gone(`${MAPS}/known`);
    const { body: owner } = await world.ask("POST", WIDGETS, widget("owner"));
    await world.ask("POST", MAPS, configMap("child", [ownedBy(owner)]));
    await world.ask("DELETE", `${CRDS}/widgets.example.com`);
    await gone(`${CRDS}/widgets.example.com`);
    await gone(`${MAPS}/child`);
  });

  it("is collected again after its definition went and came back", async () => {
    await world.ask("DELETE", `${CRDS}/widgets.example.com`);
    await gone(`${CRDS}/widgets.example.com`);
    expect((await world.ask("POST", CRDS, widgetCrd())).status).toBe(201);
    const { body: owner } = await world.ask("POST", WIDGETS, widget("owner"));
    await world.ask("POST", MAPS, configMap("child", [ownedBy(owner)]));
    await world.ask("DELETE", `${WIDGETS}/owner`);
    await gone(`${MAPS}/child`);
  });
});

it("what was deleted while no server ran is collected by the next one", async () => {
  const { body: owner } = await world.ask("POST", MAPS, configMap("owner"));
  const { body: held } = await world.ask("POST", MAPS, configMap("held"));
  await world.ask("POST", MAPS, configMap("child", [ownedBy(owner)]));
  await world.ask("POST", MAPS, configMap("blocker", [ownedBy(held, true)], ["example.com/hold"]));
  await world.ask("DELETE", `${MAPS}/held`, { propagationPolicy: "Foreground" });
  await world.server.stop();
  const { storage } = world;
  {
    const { stored } = await storage.get(`/registry/configmaps/default/owner`);
    await storage.delete(stored!.key, stored!.revision);
  }
  const blocker = (await storage.get("/registry/configmaps/default/blocker")).stored!;
  await storage.delete(blocker.key, blocker.revision);
  const server = await startServer({ storage });
  const left = async () =>
    (await storage.list("/registry/configmaps/default/", { limit: 100 })).items.map(({ key }) => key.split("/").at(-1));
  await eventually(async () => expect(await left()).toEqual([]));
  await server.stop();
});

describe("events", () => {
  const CORE = "/api/v1/namespaces/default/events";
  const NEW = "/apis/events.k8s.io/v1/namespaces/default/events";

  it("are one thing in two shapes, for reads, writes, patches and selectors", async () => {
    const created = await world.ask("POST", NEW, {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: "e" },
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "c",
      reportingInstance: "i",
      action: "Made",
      reason: "Made",
      regarding: { kind: "Widget", namespace: "default", name: "w" },
      note: "made it",
      type: "Normal",
    });
    expect(created.status).toBe(201);
    expect((await world.ask("GET", `${CORE}/e`)).body).toMatchObject({
      apiVersion: "v1",
      involvedObject: { name: "w" },
      message: "made it",
      reportingComponent: "c",
    });
    const patched = await world.ask(
      "PATCH",
      `${CORE}/e`,
      { count: 2 },
      { "content-type": "application/merge-patch+json" },
    );
    expect(patched.status).toBe(200);
    expect((await world.ask("GET", `${NEW}/e`)).body).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      deprecatedCount: 2,
      note: "made it",
      regarding: { name: "w" },
    });
    const count = async (path: string) =>
      ((await world.ask("GET", path)).body as unknown as { items: unknown[] }).items.length;
    expect(await count(`${CORE}?fieldSelector=involvedObject.name%3Dw,involvedObject.kind%3DWidget`)).toBe(1);
    expect(await count(`${CORE}?fieldSelector=involvedObject.name%3Dother`)).toBe(0);
    expect(await count(`${NEW}?fieldSelector=regarding.name%3Dw`)).toBe(1);
  });
});
