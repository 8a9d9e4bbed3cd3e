import { afterEach, beforeEach, expect, it } from "vitest";
import type { ApiService } from "../../../../apiserver/builtin/kinds/api-service.ts";
import type { KubeObject } from "../../../../machinery/object.ts";
import { widgetCrd } from "../harness.ts";
import { eventually, startWorld, stopWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => void (world = await startWorld({ servers: 2 })));
afterEach(() => stopWorld(world));

const SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const services = async (): Promise<readonly ApiService[]> =>
  ((await world.ask("GET", SERVICES)).body as unknown as { items: ApiService[] }).items;
const names = async () => (await services()).map(({ metadata }) => metadata.name ?? "");

/** Every group-version that discovery shows but the list's own. */
async function served(): Promise<string[]> {
  const { body } = await world.ask("GET", "/apis");
  const groups = (body as unknown as { groups: { name: string; versions: { version: string }[] }[] }).groups;
  const all = groups.flatMap(({ name, versions }) => versions.map(({ version }) => `${version}.${name}`));
  return ["v1.", ...all].filter((name) => name !== "v1.apiregistration.k8s.io").sort();
}

it("lists what is served, no more and no less, as Local and available", async () => {
  await eventually(async () => expect((await names()).toSorted()).toEqual(await served()));
  for (const { spec, status } of await services()) {
    expect(spec?.groupPriorityMinimum).toBeGreaterThan(0);
    expect(status?.conditions).toMatchObject([{ type: "Available", status: "True", reason: "Local" }]);
  }
});

it("follows the definitions, also from one version to another, and two servers agree", async () => {
  await world.ask("POST", CRDS, widgetCrd());
  await eventually(async () => expect(await names()).toContain("v1.example.com"));
  const crd = (await world.ask("GET", `${CRDS}/widgets.example.com`)).body as KubeObject & {
    spec: { versions: { name: string; served: boolean; storage: boolean }[] };
  };
  const [v1] = crd.spec.versions;
  crd.spec.versions = [
    { ...v1!, served: false, storage: false },
    { ...v1!, name: "v2" },
  ];
  expect((await world.ask("PUT", `${CRDS}/widgets.example.com`, crd)).status).toBe(200);
  await eventually(async () => {
    expect(await names()).toContain("v2.example.com");
    expect(await names()).not.toContain("v1.example.com");
  });
  await world.ask("DELETE", `${CRDS}/widgets.example.com`);
  await eventually(async () => expect((await names()).toSorted()).toEqual(await served()));
});

it("is the server's own: others may read and watch it, not write", async () => {
  await eventually(async () => expect(await names()).toContain("v1.apps"));
  const before = (await world.ask("GET", `${SERVICES}/v1.apps`)).body;
  for (const [method, path] of [
    ["POST", SERVICES],
    ["PUT", `${SERVICES}/v1.apps`],
    ["PATCH", `${SERVICES}/v1.apps`],
    ["DELETE", `${SERVICES}/v1.apps`],
    ["DELETE", SERVICES],
  ] as const) {
    const { status, body } = await world.ask(method, path, before, { "content-type": "application/json" });
    expect(status, method).toBe(405);
    expect(body["message"], method).toContain("the server lists the group-versions that it serves");
  }
  expect((await world.ask("GET", `${SERVICES}/v1.apps`)).body).toEqual(before);
});
