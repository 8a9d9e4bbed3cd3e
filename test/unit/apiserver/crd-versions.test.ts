import { beforeEach, expect, it } from "vitest";
import type { KubeObject } from "../../../machinery/object.ts";
import { type Harness, startHarness, widget, widgetCrd, WIDGETS } from "./harness.ts";
import { eventually } from "./lifecycle/world.ts";

const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const V2 = WIDGETS.replace("/v1/", "/v2/");

interface Version {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema: { openAPIV3Schema: { properties: { spec: { properties: Record<string, object> } } } };
}
type Crd = KubeObject & { spec: { versions: Version[] }; status: { storedVersions: string[] } };

let harness: Harness;

/** v1 is stored; v2 has one field more. */
function twoVersions(): Crd {
  const crd = widgetCrd() as Crd;
  const [v1] = crd.spec.versions;
  const v2 = structuredClone({ ...v1!, name: "v2", storage: false });
  v2.schema.openAPIV3Schema.properties.spec.properties["shape"] = { type: "string", default: "round" };
  crd.spec.versions.push(v2);
  return crd;
}

async function change(how: (versions: Version[]) => void): Promise<void> {
  const { body } = await harness.ask<Crd>("GET", `${CRD}/widgets.example.com`);
  how(body.spec.versions);
  expect((await harness.ask("PUT", `${CRD}/widgets.example.com`, body)).status).toBe(200);
}

const read = async (path: string) => (await harness.ask(`GET`, path)).body;
const apply = (path: string, version: string, spec: object, manager: string) =>
  harness.ask(
    "PATCH",
    `${path}?fieldManager=${manager}`,
    { ...widget("w", spec), apiVersion: `example.com/${version}` },
    { "content-type": "application/apply-patch+yaml" },
  );

beforeEach(async () => {
  harness = await startHarness();
  expect((await harness.ask("POST", CRD, twoVersions())).status).toBe(201);
  expect((await harness.ask("POST", WIDGETS, widget("w", { size: 3 }))).status).toBe(201);
});

it("one object is there in each version, under that version's name, schema and defaults", async () => {
  expect(await read(`${WIDGETS}/w`)).toMatchObject({ apiVersion: "example.com/v1", spec: { size: 3, color: "red" } });
  expect(await read(`${V2}/w`)).toMatchObject({ apiVersion: "example.com/v2", spec: { size: 3, shape: "round" } });
  expect((await read(`${WIDGETS}/w`))["spec"] as object).not.toHaveProperty("shape");
  const { resourceVersion, uid } = (await read(`${WIDGETS}/w`)).metadata;
  expect((await read(`${V2}/w`)).metadata).toMatchObject({ resourceVersion, uid });
});

it("is stored in the storage version whatever it was written in; a watch shows the one that was asked for", async () => {
  const stop = new AbortController();
  const stream = await harness.stream(`${V2}?watch=1&resourceVersion=0`, stop.signal);
  const seen: KubeObject[] = [];
  const reading = (async () => {
    for await (const chunk of stream) {
      for (const line of chunk.toString().trim().split("\n"))
        seen.push((JSON.parse(line) as { object: KubeObject }).object);
      if (seen.length >= 2) return;
    }
  })();
  const made = { ...widget("x", { size: 1, shape: "flat" }), apiVersion: "example.com/v2" };
  expect((await harness.ask("POST", V2, made)).status).toBe(201);
  const { stored } = await harness.storage.get("/registry/example.com/widgets/default/x");
  // Conversion None rewrites apiVersion and nothing else: what v1 does not know is kept.
  expect(stored?.object).toMatchObject({ apiVersion: "example.com/v1", spec: { shape: "flat" } });
  await reading;
  stop.abort();
  expect(seen.map(({ apiVersion, metadata }) => [apiVersion, metadata.name])).toEqual([
    ["example.com/v2", "w"],
    ["example.com/v2", "x"],
  ]);
  expect(await read(`${V2}/x`)).toMatchObject({ spec: { shape: "flat" } });
});

it("a version that is not served is not found, in no document, and what it stored stays readable", async () => {
  await change((versions) => {
    versions[0]!.served = false;
    versions[0]!.storage = false;
    versions[1]!.storage = true;
  });
  expect((await harness.ask("GET", `${WIDGETS}/w`)).status).toBe(404);
  expect((await harness.ask("GET", "/apis/example.com/v1")).status).toBe(404);
  expect((await harness.ask("GET", "/openapi/v3/apis/example.com/v1")).status).toBe(404);
  expect(await read(`${V2}/w`)).toMatchObject({ apiVersion: "example.com/v2", spec: { size: 3 } });
  expect((await read(`${CRD}/widgets.example.com`)) as Crd).toMatchObject({ status: { storedVersions: ["v1", "v2"] } });
});

it("a version in which objects may be stored cannot be taken off the list", async () => {
  const { body } = await harness.ask<Crd>("GET", `${CRD}/widgets.example.com`);
  body.spec.versions.shift();
  body.spec.versions[0]!.storage = true;
  const { status, body: refused } = await harness.ask("PUT", `${CRD}/widgets.example.com`, body);
  expect([status, refused["message"]]).toEqual([422, expect.stringContaining("status.storedVersions[0]")]);
});

it("two storage versions, or none, are refused", async () => {
  for (const storage of [true, false]) {
    const { body } = await harness.ask<Crd>("GET", `${CRD}/widgets.example.com`);
    for (const version of body.spec.versions) version.storage = storage;
    const { status, body: refused } = await harness.ask("PUT", `${CRD}/widgets.example.com`, body);
    expect([status, refused["message"]]).toEqual([
      422,
      expect.stringContaining("must have exactly one version marked as storage version"),
    ]);
  }
});

it("a deprecated version warns, in its own words or in the usual ones", async () => {
  await change((versions) => (versions[0]!.deprecated = true));
  expect((await harness.ask("GET", WIDGETS)).headers["warning"]).toEqual([
    '299 - "example.com/v1 Widget is deprecated"',
  ]);
  await change((versions) => (versions[0]!.deprecationWarning = "use v2"));
  expect((await harness.ask("GET", WIDGETS)).headers["warning"]).toEqual(['299 - "use v2"']);
  expect((await harness.ask("GET", V2)).headers["warning"]).toBeUndefined();
});

it("the preferred version is the most stable one, whatever is stored", async () => {
  const { body } = await harness.ask("GET", "/apis/example.com");
  expect(body).toMatchObject({
    preferredVersion: { groupVersion: "example.com/v2" },
    versions: [{ version: "v2" }, { version: "v1" }],
  });
});

it("managers are kept for each version, and those of a version that is gone stand in nobody's way", async () => {
  await apply(`${WIDGETS}/w`, "v1", { size: 4 }, "old").then(({ status }) => expect(status).toBe(409));
  expect((await apply(`${WIDGETS}/v`, "v1", { size: 4 }, "old")).status).toBe(400);
  await harness.ask("DELETE", `${WIDGETS}/w`);
  expect((await apply(`${WIDGETS}/w`, "v1", { size: 4, color: "blue" }, "old")).status).toBe(201);
  const entries = async () =>
    (await read(`${V2}/w`)).metadata.managedFields?.map(({ manager, apiVersion }) => [manager, apiVersion]);
  expect(await entries()).toEqual([["old", "example.com/v1"]]);
  // Both versions are served: the other one's field is respected.
  expect((await apply(`${V2}/w`, "v2", { size: 5 }, "new")).status).toBe(409);
  await change((versions) => {
    versions[0]!.served = false;
    versions[0]!.storage = false;
    versions[1]!.storage = true;
  });
  await eventually(async () => expect((await harness.ask("GET", `${WIDGETS}/w`)).status).toBe(404));
  const after = await apply(`${V2}/w`, "v2", { size: 5 }, "new");
  expect([after.status, after.body["spec"]]).toEqual([200, { size: 5, color: "blue", shape: "round" }]);
  expect(await entries()).toEqual([["new", "example.com/v2"]]);
});
