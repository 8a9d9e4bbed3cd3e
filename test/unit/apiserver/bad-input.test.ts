import { afterAll, beforeAll, expect, it } from "vitest";
import { ownDefinitions } from "../../../apiserver/own-definitions.ts";
import { startServer } from "../../../apiserver/server.ts";
import type { Status } from "../../../apiserver/status.ts";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import { systemClock } from "../../../machinery/clock.ts";
import type { Json, JsonObject, KubeObject } from "../../../machinery/object.ts";
import { type Harness, harnessOf, widgetCrd } from "./harness.ts";

let harness: Harness;
beforeAll(async () => {
  const storage = new MemoryStorage(systemClock);
  harness = harnessOf(await startServer({ storage, definitions: ownDefinitions() }), storage);
});
afterAll(() => harness.server.stop());

const VOLUMES = "/apis/ferrite.dev/v1alpha1/namespaces/default/volumes";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const metadata = {
  labels: { tier: "gold" },
  annotations: { note: "x" },
  ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "o", uid: "u" }],
};

/** One whole object of each of some kinds, and where it is made. */
const SAMPLES: readonly [string, JsonObject][] = [
  [
    VOLUMES,
    {
      apiVersion: "ferrite.dev/v1alpha1",
      kind: "Volume",
      metadata,
      spec: { volumeGroupRef: { name: "disks" }, size: "1Gi", thin: true, fileSystem: { type: "ext4" } },
    },
  ],
  [
    "/apis/ferrite.dev/v1alpha1/volumegroups",
    {
      apiVersion: "ferrite.dev/v1alpha1",
      kind: "VolumeGroup",
      metadata,
      spec: { hostName: "alpha", physicalVolumes: [{ device: "/dev/disk/by-id/x" }], thinPool: { size: "1Gi" } },
    },
  ],
  [
    "/api/v1/namespaces/default/configmaps",
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: { a: "b" }, immutable: false },
  ],
  [
    "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata,
      spec: { holderIdentity: "me", leaseDurationSeconds: 15 },
    },
  ],
  [
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata,
      rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"] }],
    },
  ],
  [CRDS, widgetCrd() as unknown as JsonObject],
];

const WRONG: readonly Json[] = [true, 7, 1.5, "text", [], [[]], {}, { a: {} }, null];

const typeOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);

/** Every place in a value. */
function* paths(value: Json, at: readonly (string | number)[] = []): Generator<readonly (string | number)[]> {
  if (at.length > 0) yield at;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value))
    yield* paths(inner, [...at, Array.isArray(value) ? Number(key) : key]);
}

const valueAt = (value: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown> | undefined)?.[key], value);

function withValue(object: JsonObject, path: readonly (string | number)[], value: Json): JsonObject {
  const copy = structuredClone(object);
  const parent = valueAt(copy, path.slice(0, -1)) as Record<string | number, Json>;
  parent[path.at(-1) ?? ""] = value;
  return copy;
}

async function remove(path: string): Promise<void> {
  await harness.ask("DELETE", path);
  await expect.poll(async () => (await harness.ask("GET", path)).status, { interval: 5 }).toBe(404);
}

it.each(SAMPLES)(
  "a wrong type at any depth is refused with a Status, or dropped, never stored: %s",
  async (path, sample) => {
    let [made, refused] = [0, 0];
    for (const place of paths(sample)) {
      if (place[0] === "metadata" && place[1] === "name") continue;
      for (const wrong of WRONG) {
        const right = valueAt(sample, place);
        // Which numbers fit is the schema's business; a quantity may be a whole one.
        if (typeOf(right) === typeOf(wrong) || (place.at(-1) === "size" && wrong === 7)) continue;
        const shown = `${place.join(".")} = ${JSON.stringify(wrong)}`;
        const isDefinition = path === CRDS;
        const name = isDefinition ? "widgets.example.com" : `w-${(made += 1)}`;
        const body = withValue(withValue(sample, ["metadata", "name"], name), place, wrong);
        const answer = await harness.ask<KubeObject & Partial<Status>>("POST", path, body);
        if (answer.status === 201) {
          // It was dropped, or a default is in its place; nothing of the wrong type is.
          expect([typeOf(right), "undefined"], shown).toContain(typeOf(valueAt(answer.body, place)));
          if (isDefinition) await remove(`${path}/${name}`);
          continue;
        }
        refused += 1;
        expect([400, 404, 422], `${shown}: ${answer.body.message}`).toContain(answer.status);
        expect(answer.body, shown).toMatchObject({ kind: "Status", status: "Failure", code: answer.status });
        expect(answer.body.message?.length, shown).toBeGreaterThan(10);
      }
    }
    expect(refused).toBeGreaterThan(20);
  },
);

const raw = async (body: string, contentType = "application/json", path = VOLUMES): Promise<[number, string]> => {
  const answer = await harness.ask<Status>("POST", path, body, { "content-type": contentType });
  return [answer.status, answer.body.message ?? ""];
};
const volume = (name: string, size = '"1Gi"'): string =>
  `{"apiVersion":"ferrite.dev/v1alpha1","kind":"Volume","metadata":{"name":${name}},"spec":{"volumeGroupRef":{"name":"g"},"size":${size}}}`;

it.each([
  ["no body", "", 400],
  ["half an object", '{"apiVersion":', 400],
  ["more than one", `${volume('"a"')}${volume('"b"')}`, 400],
  ["a list", "[]", 400],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0xfe]).toString("latin1"), 400],
  ["nested without end", `{"spec":${"[".repeat(20_000)}`, 400],
  ["a name with a slash", volume('"a/b"'), 422],
  ["a name of dots", volume('".."'), 422],
  ["a name with a percent sign", volume('"a%2fb"'), 422],
  ["a name without end", volume(`"${"a".repeat(5000)}"`), 422],
  ["a number where integers end", volume('"a"').replace('"spec"', '"metadata2":9007199254740993,"spec"'), 400],
  ["a number beyond all", volume('"a"').replace('"spec"', '"x":1e400,"spec"'), 400],
])("%s is refused, and nothing is made", async (_, body, status) => {
  const [code, message] = await raw(body);
  expect([code, message.length > 10], message).toEqual([status, true]);
  const { items } = (await harness.ask<{ items: KubeObject[] }>("GET", VOLUMES)).body;
  expect(items.map(({ metadata }) => metadata.name).filter((name) => !name?.startsWith("w-"))).toEqual([]);
});

it.each([
  [
    "anchors that multiply",
    `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghi"
      .split("")
      .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`)
      .join("\n")}\n`,
  ],
  [
    "a duplicate key",
    `apiVersion: ferrite.dev/v1alpha1\nkind: Volume\nmetadata: {name: a}\nspec: {size: 1Gi, size: 2Gi, volumeGroupRef: {name: g}}\n`,
  ],
  ["a tab", "apiVersion: ferrite.dev/v1alpha1\n\tkind: Volume\n"],
  ["two documents", "a: 1\n---\nb: 2\n"],
])("YAML with %s is refused when strict", async (_, body) => {
  const [code] = await raw(body, "application/yaml", `${VOLUMES}?fieldValidation=Strict`);
  expect([400, 413]).toContain(code);
});

const definition = (spec: object): KubeObject => {
  const crd = structuredClone(widgetCrd()) as KubeObject & {
    spec: { versions: [{ schema: { openAPIV3Schema: { properties: { spec: { properties: object } } } } }] };
  };
  Object.assign(crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties, spec);
  return crd;
};

it.each([
  ["a pattern that is no RE2", { color: { type: "string", pattern: "(?=a)b" } }, "pattern"],
  ["a pattern that does not end", { color: { type: "string", pattern: "(a" } }, "pattern"],
  ["a rule that is no CEL", { color: { type: "string", "x-kubernetes-validations": [{ rule: "self ==" }] } }, "rule"],
  [
    "a rule of the wrong type",
    { color: { type: "string", "x-kubernetes-validations": [{ rule: "self + 'a'" }] } },
    "rule",
  ],
  [
    "a rule that costs too much",
    {
      all: {
        type: "array",
        items: { type: "string" },
        "x-kubernetes-validations": [{ rule: "self.all(a, self.all(b, self.all(c, a + b != c)))" }],
      },
    },
    "estimated rule cost exceeds budget",
  ],
])("a definition with %s is refused, and says where", async (_, spec, text) => {
  const { status, body } = await harness.ask<Status>("POST", CRDS, definition(spec));
  expect([status, body.message]).toEqual([422, expect.stringContaining(text)]);
  expect(body.details?.causes?.[0]?.field).toContain("spec.versions[0].schema.openAPIV3Schema.properties[spec]");
});

it("a pattern that would take a backtracking matcher for ever takes RE2 no time", async () => {
  expect((await harness.ask("POST", CRDS, definition({ color: { type: "string", pattern: "^(a+)+$" } }))).status).toBe(
    201,
  );
  const path = "/apis/example.com/v1/namespaces/default/widgets";
  const startedMs = performance.now();
  const { status, body } = await harness.ask<Status>("POST", path, {
    apiVersion: "example.com/v1",
    kind: "Widget",
    metadata: { name: "w" },
    spec: { size: 1, color: `${"a".repeat(20_000)}!` },
  });
  expect([status, body.message]).toEqual([422, expect.stringContaining("spec.color")]);
  // A backtracking one would not be done before the sun is cold.
  expect(performance.now() - startedMs).toBeLessThan(5000);
});
