import { afterEach, expect, it } from "vitest";
import { ownDefinitions } from "../../../apiserver/own-definitions.ts";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import type { Storage } from "../../../apiserver/storage/types.ts";
import { systemClock } from "../../../machinery/clock.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { type Harness, startHarness } from "./harness.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const VOLUMES = `${CRDS}/volumes.ferrite.dev`;

interface Definition extends KubeObject {
  readonly spec: { readonly names: { readonly shortNames: readonly string[] } };
}

const running: Harness[] = [];
afterEach(async () => {
  for (const { server } of running.splice(0)) await server.stop();
});

async function start(storage: Storage, version = "1.9.0"): Promise<Harness> {
  const harness = await startHarness(storage, { definitions: ownDefinitions(version) });
  running.push(harness);
  return harness;
}

const store = (): Storage => new MemoryStorage(systemClock);
const shortNames = async ({ ask }: Harness) => (await ask<Definition>("GET", VOLUMES)).body.spec.names.shortNames;
const rename = ({ ask }: Harness, shortName: string) =>
  ask("PATCH", VOLUMES, { spec: { names: { shortNames: [shortName] } } }, { "content-type": MERGE });
const MERGE = "application/merge-patch+json";

it("serves Ferrite's kinds from the first request on", async () => {
  const { ask } = await start(store());
  const host = { apiVersion: "ferrite.dev/v1alpha1", kind: "Host", metadata: { name: "alpha" } };
  const path = "/apis/ferrite.dev/v1alpha1/hosts";
  expect(await ask("POST", path, { ...host, spec: { address: "192.0.2.1" } })).toMatchObject({ status: 201 });
  expect(await ask("POST", path, { ...host, metadata: { name: "Alpha" }, spec: {} })).toMatchObject({ status: 422 });
});

it("writes nothing at the next start", async () => {
  const storage = store();
  const versions = async ({ ask }: Harness) =>
    (await ask<{ items: KubeObject[] }>("GET", CRDS)).body.items.map(({ metadata }) => metadata.resourceVersion);
  const first = await versions(await start(storage));
  expect(first).toHaveLength(ownDefinitions().length);
  expect(await versions(await start(storage))).toEqual(first);
});

it("puts a definition back that somebody changed, and upgrades an older one", async () => {
  const storage = store();
  const first = await start(storage);
  const wanted = await shortNames(first);
  expect(await rename(first, "other")).toMatchObject({ status: 200 });
  expect(await shortNames(await start(storage))).toEqual(wanted);
  await rename(first, "other");
  expect(await shortNames(await start(storage, "1.10.0"))).toEqual(wanted);
});

it("leaves what a later version has installed", async () => {
  const storage = store();
  await rename(await start(storage, "1.10.0"), "later");
  expect(await shortNames(await start(storage, "1.9.0"))).toEqual(["later"]);
});

it("is installed once by two servers that start at the same moment", async () => {
  const storage = store();
  const [one, two] = await Promise.all([start(storage), start(storage)]);
  expect(await shortNames(one)).toEqual(await shortNames(two));
});
