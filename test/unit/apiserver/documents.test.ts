import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { ownDefinitions } from "../../../apiserver/own-definitions.ts";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import { systemClock } from "../../../machinery/clock.ts";
import { type Harness, startHarness, widgetCrd, WIDGETS } from "./harness.ts";
import { askAs } from "./lifecycle/world.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED = (version: string) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

interface DiscoveredResource {
  resource: string;
  responseKind: { group: string; version: string; kind: string };
  scope: string;
  singularResource: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
  subresources?: { subresource: string; verbs: string[]; responseKind: object }[];
}
interface Discovery {
  kind: string;
  apiVersion: string;
  items: { metadata: { name?: string }; versions: { version: string; resources: DiscoveredResource[] }[] }[];
}
interface ResourceList {
  groupVersion: string;
  resources: { name: string; singularName: string; namespaced: boolean; kind: string; verbs: string[] }[];
}

let harness: Harness;
beforeEach(async () => {
  harness = await startHarness(new MemoryStorage(systemClock), { definitions: ownDefinitions() });
  await harness.ask("POST", CRDS, widgetCrd());
});

const discover = (root: string, version = "v2", headers: Record<string, string> = {}) =>
  harness.ask<Discovery>("GET", root, undefined, { accept: AGGREGATED(version), ...headers });

describe("discovery", () => {
  it.each(["v2", "v2beta1"])("is one document in %s, and says so in its type", async (version) => {
    const { headers, body } = await discover("/apis", version);
    expect(headers["content-type"]).toBe(
      `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    );
    expect(headers["vary"]).toBe("Accept");
    expect([body.kind, body.apiVersion]).toEqual(["APIGroupDiscoveryList", `apidiscovery.k8s.io/${version}`]);
    const group = body.items.find(({ metadata }) => metadata.name === "example.com");
    expect(group?.versions).toMatchObject([
      {
        version: "v1",
        freshness: "Current",
        resources: [
          {
            resource: "widgets",
            responseKind: { group: "example.com", version: "v1", kind: "Widget" },
            scope: "Namespaced",
            singularResource: "widget",
            shortNames: ["wi"],
            categories: ["all"],
            verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            subresources: [
              { subresource: "scale", responseKind: { group: "autoscaling", version: "v1", kind: "Scale" } },
              { subresource: "status", responseKind: { kind: "Widget" } },
            ],
          },
        ],
      },
    ]);
  });

  it("without its type is the old one", async () => {
    const { headers, body } = await harness.ask("GET", "/apis");
    expect([headers["content-type"], body.kind]).toEqual(["application/json", "APIGroupList"]);
    expect((await harness.ask("GET", "/api")).body).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
  });

  it("says the same in both forms, of every resource", async () => {
    for (const root of ["/api", "/apis"]) {
      const { body } = await discover(root);
      for (const { metadata, versions } of body.items) {
        for (const { version, resources } of versions) {
          const path = metadata.name === undefined ? `/api/${version}` : `/apis/${metadata.name}/${version}`;
          const legacy = (await harness.ask<ResourceList>("GET", path)).body;
          const flat = resources.flatMap((each) => [
            {
              name: each.resource,
              singularName: each.singularResource,
              namespaced: each.scope === "Namespaced",
              kind: each.responseKind.kind,
              verbs: each.verbs,
            },
            ...(each.subresources ?? []).map(({ subresource, verbs }) => ({
              name: `${each.resource}/${subresource}`,
              verbs,
            })),
          ]);
          expect(legacy.resources, path).toMatchObject(flat);
          expect(legacy.resources, path).toHaveLength(flat.length);
        }
      }
    }
  });

  it("is kept by its ETag until something is served anew", async () => {
    const first = await discover("/apis");
    const etag = String(first.headers["etag"]);
    expect(etag).toMatch(/^"[0-9A-F]{128}"$/);
    const again = await discover("/apis", "v2", { "if-none-match": etag });
    expect([again.status, again.body, again.headers["etag"]]).toEqual([304, undefined, etag]);
    await harness.ask("DELETE", `${CRDS}/widgets.example.com`);
    await expect.poll(async () => (await harness.ask("GET", "/apis/example.com/v1")).status).toBe(404);
    expect((await harness.ask("GET", "/apis/example.com")).status).toBe(404);
    expect((await discover("/apis", "v2", { "if-none-match": etag })).status).toBe(200);
  });
});

interface Document {
  paths: Record<string, Record<string, OpenApiOperation>>;
  components: { schemas: Record<string, Schema> };
}
interface OpenApiOperation {
  parameters?: { name: string }[];
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string };
}
type Schema = { [key: string]: unknown; properties?: Record<string, Schema>; items?: Schema; $ref?: string };

const WIDGET_URL = "/openapi/v3/apis/example.com/v1";
const hashed = async (): Promise<string> => {
  const { body } = await harness.ask<{ paths: Record<string, { serverRelativeURL: string }> }>("GET", "/openapi/v3");
  return body.paths["apis/example.com/v1"]?.serverRelativeURL ?? "";
};

describe("OpenAPI", () => {
  it("is kept for ever under its hash, and under the plain URL by its ETag", async () => {
    const url = await hashed();
    expect(url).toMatch(/^\/openapi\/v3\/apis\/example\.com\/v1\?hash=[0-9A-F]{128}$/);
    const forever = await harness.ask("GET", url);
    expect(forever.headers).toMatchObject({ "cache-control": "public, immutable", "content-type": "application/json" });
    const etag = String(forever.headers["etag"]);
    const plain = await harness.ask("GET", WIDGET_URL);
    expect([plain.status, plain.headers["etag"], plain.headers["cache-control"]]).toEqual([
      200,
      etag,
      "no-cache, private",
    ]);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      expect((await harness.ask("GET", WIDGET_URL, undefined, { "if-none-match": known })).status, known).toBe(304);
    }
    expect((await harness.ask("GET", WIDGET_URL, undefined, { "if-none-match": '"other"' })).status).toBe(200);
    const old = await harness.ask("GET", `${WIDGET_URL}?hash=ABC`);
    expect([old.status, old.headers["location"]]).toEqual([301, url]);
  });

  it("changes its hash with the definition, and only then", async () => {
    const before = await hashed();
    const { body: crd } = await harness.ask("GET", `${CRDS}/widgets.example.com`);
    const labelled = { ...crd, metadata: { ...crd.metadata, labels: { a: "b" } } };
    const { body: stored } = await harness.ask("PUT", `${CRDS}/widgets.example.com`, labelled);
    expect(await hashed()).toBe(before);
    const text = JSON.stringify(stored).replace("How big it is.", "How large it is.");
    expect((await harness.ask("PUT", `${CRDS}/widgets.example.com`, text)).status).toBe(200);
    expect(await hashed()).not.toBe(before);
    expect(JSON.stringify((await harness.ask("GET", await hashed())).body)).toContain("How large it is.");
  });

  it("has what kubectl needs of every write: fieldValidation, and the kind", async () => {
    const { paths } = (await harness.ask<Document>("GET", WIDGET_URL)).body;
    const one = `${WIDGETS.replace("default", "{namespace}")}/{name}`;
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(["/apis/example.com/v1/widgets", one, `${one}/status`, `${one}/scale`]),
    );
    for (const method of ["put", "patch"]) {
      const operation = paths[one]?.[method];
      expect(operation?.parameters?.map(({ name }) => name)).toContain("fieldValidation");
      expect(operation?.["x-kubernetes-group-version-kind"]).toEqual({
        group: "example.com",
        version: "v1",
        kind: "Widget",
      });
    }
  });

  it("is a whole: every reference leads somewhere, in every document", async () => {
    const { body } = await harness.ask<{ paths: Record<string, { serverRelativeURL: string }> }>("GET", "/openapi/v3");
    for (const [path, { serverRelativeURL }] of Object.entries(body.paths)) {
      const document = (await harness.ask<Document>("GET", serverRelativeURL)).body;
      const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
      for (const [, name = ""] of references) expect(document.components.schemas, path).toHaveProperty([name]);
    }
  });

  it("says of our kinds what their definitions say, field by field", async () => {
    const { schemas } = (await harness.ask<Document>("GET", "/openapi/v3/apis/ferrite.dev/v1alpha1")).body.components;
    for (const definition of ownDefinitions()) {
      const { names, versions } = definition["spec"] as {
        names: { kind: string };
        versions: { schema: { openAPIV3Schema: Schema } }[];
      };
      const published = schemas[`dev.ferrite.v1alpha1.${names.kind}`];
      const declared = versions[0]!.schema.openAPIV3Schema;
      expect(published?.["description"]).toBe(declared["description"]);
      for (const field of ["spec", "status"] as const) {
        expect(published?.properties?.[field], `${names.kind}.${field}`).toEqual(declared.properties?.[field]);
      }
    }
  });

  it("is there as v2 too: JSON, or the protobuf that kubectl asks for by two names, and nothing else", async () => {
    const ask = async (accept: string) => {
      const { status, headers } = await harness.ask("GET", "/openapi/v2", undefined, { accept });
      return [status, headers["content-type"]];
    };
    const protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    expect(await ask("application/json")).toEqual([200, "application/json"]);
    expect(await ask(protobuf)).toEqual([200, protobuf]);
    expect(await ask(protobuf.replace("v2.v1", "v2@v1"))).toEqual([200, protobuf]);
    expect(await ask("text/html")).toEqual([406, "application/json"]);
    const { body } = await harness.ask<{ definitions: object }>("GET", "/openapi/v2");
    const text = JSON.stringify(body);
    const wanted = new Set([...text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)].map(([, name]) => name ?? ""));
    expect([...wanted].filter((name) => !(name in body.definitions))).toEqual([]);
    expect(text).not.toContain("#/components/");
  });
});

it("/version is a version that clients can compare", async () => {
  const { body } = await harness.ask<{ major: string; minor: string; gitVersion: string }>("GET", "/version");
  expect(body).toMatchObject({ major: expect.stringMatching(/^\d+$/), minor: expect.stringMatching(/^\d+$/) });
  expect(body.gitVersion).toMatch(/^v\d+\.\d+\.\d+-ferrite\.\d+\.\d+\.\d+$/);
});

it("ServiceAccount tokens can be checked by the documents of their issuer", async () => {
  const configuration = await harness.ask<{ issuer: string; jwks_uri: string }>(
    "GET",
    "/.well-known/openid-configuration",
  );
  const { headers, body } = await harness.ask<JSONWebKeySet>("GET", new URL(configuration.body.jwks_uri).pathname);
  expect(headers["content-type"]).toBe("application/jwk-set+json");
  expect(JSON.stringify(body)).not.toContain('"d":');
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await harness.ask("POST", accounts, { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } });
  const issued = await harness.ask<{ status: { token: string } }>("POST", `${accounts}/robot/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { audiences: ["vault"] },
  });
  const { payload } = await jwtVerify(issued.body.status.token, createLocalJWKSet(body), { audience: "vault" });
  expect([payload.iss, payload.sub]).toEqual([configuration.body.issuer, "system:serviceaccount:default:robot"]);
  // For ServiceAccounts by the default roles; not for everybody.
  expect((await askAs(harness.server, {}, "GET", "/openid/v1/jwks")).status).toBe(403);
});
