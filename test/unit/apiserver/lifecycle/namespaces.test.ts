import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { conditionsOf } from "../../../../apiserver/lifecycle/namespace-termination.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { widgetCrd } from "../harness.ts";
import { AUTHORITY, configMap, eventually, startWorld, stopWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => void (world = await startWorld({ authority: true, servers: 2 })));
afterEach(() => stopWorld(world));

const NS = "/api/v1/namespaces";
const namespace = (name: string) => world.ask("POST", NS, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
const items = async (path: string): Promise<KubeObject[]> =>
  ((await world.ask("GET", path)).body as unknown as { items: KubeObject[] }).items;
const conditions = (object: KubeObject) =>
  Object.fromEntries(
    ((object["status"] as { conditions?: { type: string; status: string; message: string }[] }).conditions ?? []).map(
      (one) => [one.type, one],
    ),
  );

describe("a namespace", () => {
  it("gets its ServiceAccount and CA, and gets them back", async () => {
    await namespace("a");
    for (const path of [
      `${NS}/a/serviceaccounts/default`,
      `${NS}/a/configmaps/kube-root-ca.crt`,
      `${NS}/default/serviceaccounts/default`,
    ]) {
      await eventually(async () => expect((await world.ask("GET", path)).status).toBe(200));
      await world.ask("DELETE", path);
      await eventually(async () => expect((await world.ask("GET", path)).status).toBe(200));
    }
    const map = `${NS}/a/configmaps/kube-root-ca.crt`;
    await world.ask("PATCH", map, { data: { "ca.crt": "forged" } }, { "content-type": "application/merge-patch+json" });
    await eventually(async () =>
      expect((await world.ask("GET", map)).body).toMatchObject({ data: { "ca.crt": AUTHORITY.certificatePem } }),
    );
  });

  it("goes with everything in it, custom resources and events too", async () => {
    await world.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widgetCrd());
    await namespace("a");
    await world.ask("POST", `${NS}/a/configmaps`, configMap("c"));
    await world.ask("POST", `${NS}/a/events`, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "e" },
      involvedObject: { namespace: "a", kind: "Widget", name: "w" },
    });
    const made = await world.ask("POST", "/apis/example.com/v1/namespaces/a/widgets", {
      apiVersion: "example.com/v1",
      kind: "Widget",
      metadata: { name: "w" },
      spec: { size: 1 },
    });
    expect(made.status).toBe(201);
    expect((await world.ask("DELETE", `${NS}/a`)).body).toMatchObject({ status: { phase: "Terminating" } });
    expect((await world.ask("POST", `${NS}/a/configmaps`, configMap("late"))).status).toBe(403);
    await eventually(async () => expect((await world.ask("GET", `${NS}/a`)).status).toBe(404));
    const left = await world.storage.list("/registry/", { limit: 1000 });
    expect(left.items.filter(({ key }) => key.includes("/a/")).map(({ key }) => key)).toEqual([]);
  });

  it("says what holds it up, and goes when that is done", async () => {
    await namespace("a");
    await world.ask("POST", `${NS}/a/configmaps`, configMap("held", [], ["example.com/hold"]));
    await world.ask("DELETE", `${NS}/a`);
    await eventually(async () => {
      const found = conditions((await world.ask("GET", `${NS}/a`)).body);
      expect(found["NamespaceFinalizersRemaining"]).toMatchObject({
        status: "True",
        message: "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
      });
      expect(found["NamespaceContentRemaining"]).toMatchObject({
        status: "True",
        message: "Some resources are remaining: configmaps has 1 resource instances",
      });
    });
    await world.ask(
      "PATCH",
      `${NS}/a/configmaps/held`,
      { metadata: { finalizers: null } },
      { "content-type": "application/merge-patch+json" },
    );
    await eventually(async () => expect((await world.ask("GET", `${NS}/a`)).status).toBe(404));
  });

  it("of the server itself stays", async () => {
    expect((await world.ask("DELETE", `${NS}/default`)).status).toBe(403);
    expect((await world.ask("GET", `${NS}/default`)).status).toBe(200);
  });
});

describe("aggregated roles", () => {
  const ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
  const verbsOn = async (role: string, resource: string): Promise<string[]> => {
    const { body } = await world.ask("GET", `${ROLES}/${role}`);
    const rules = (body["rules"] ?? []) as { verbs: string[]; resources?: string[] }[];
    return rules.filter((rule) => rule.resources?.includes(resource)).flatMap((rule) => rule.verbs);
  };

  it("are filled, through the role in between, and emptied again", async () => {
    await eventually(async () => expect(await verbsOn("admin", "configmaps")).toContain("create"));
    await eventually(async () => expect(await verbsOn("admin", "pods")).toContain("list"));
    const own = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "own", labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
      rules: [{ verbs: ["get"], apiGroups: ["example.com"], resources: ["widgets"] }],
    };
    await world.ask("POST", ROLES, own);
    for (const role of ["view", "edit", "admin"])
      await eventually(async () => expect(await verbsOn(role, "widgets")).toEqual(["get"]));
    await world.ask("DELETE", `${ROLES}/own`);
    for (const role of ["view", "edit", "admin"])
      await eventually(async () => expect(await verbsOn(role, "widgets")).toEqual([]));
    expect((await items(ROLES)).length).toBeGreaterThan(10);
  });
});

describe("conditionsOf", () => {
  it("are all False when nothing is left", () => {
    const all = conditionsOf({ counts: new Map(), finalizers: new Map(), failures: [] });
    expect(all.map(({ status }) => status)).toEqual(["False", "False", "False", "False", "False"]);
  });

  it("name refused deletions", () => {
    const all = conditionsOf({
      counts: new Map([["volumes.ferrite.dev", 2]]),
      finalizers: new Map(),
      failures: ['volumes.ferrite.dev "v": last copy'],
    });
    expect(all.find(({ type }) => type === "NamespaceDeletionContentFailure")?.message).toContain("last copy");
  });
});
