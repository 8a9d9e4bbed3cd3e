import { afterAll, beforeAll, expect, it } from "vitest";
import { ApiClient } from "../../hack/bench/api-client.ts";
import { listAll } from "../../apiserver/storage/list-all.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { seededRandom } from "../../machinery/random.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD } from "./widgets.ts";

let server: FerriteServer;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
});

afterAll(() => server.destroy());

const REQUESTS = 3000;
const SEED = Number(process.env["FERRITE_FUZZ_SEED"] ?? 20261123);

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"];
const SEGMENTS = [
  "api",
  "apis",
  "v1",
  "example.com",
  "widgets",
  "configmaps",
  "namespaces",
  "default",
  "w",
  "status",
  "scale",
  "..",
  "%2e%2e",
  "%00",
  "%",
  "%zz",
  "ä",
  "x".repeat(300),
  "finalize",
  "customresourcedefinitions",
  "apiextensions.k8s.io",
  "openapi",
  "v3",
  "metrics",
  "watch",
];
const PATHS = [
  "/apis/example.com/v1/namespaces/default/widgets",
  "/apis/example.com/v1/namespaces/default/widgets/w",
  "/apis/example.com/v1/namespaces/default/widgets/w/status",
  "/apis/example.com/v1/namespaces/default/widgets/w/scale",
  "/api/v1/namespaces/default/configmaps",
  "/api/v1/namespaces/default/configmaps/w",
  "/api/v1/namespaces/default/secrets",
  "/api/v1/namespaces",
  "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
];
const PARAMETERS = [
  "watch",
  "limit",
  "continue",
  "resourceVersion",
  "resourceVersionMatch",
  "labelSelector",
  "fieldSelector",
  "dryRun",
  "fieldManager",
  "fieldValidation",
  "force",
  "propagationPolicy",
  "timeoutSeconds",
  "sendInitialEvents",
  "includeObject",
  "hash",
];
const VALUES = [
  "",
  "1",
  "0",
  "-1",
  "true",
  "All",
  "x",
  "Strict",
  "NotOlderThan",
  "Exact",
  "99999999999999999999",
  "a in (b",
  "metadata.name=w",
  "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJ3In0",
  "\u0000",
  "💥",
  "x".repeat(500),
];
const TYPES = [
  "application/json",
  "application/yaml",
  "application/merge-patch+json",
  "application/json-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
  "application/vnd.kubernetes.protobuf",
  "text/plain",
  "",
  ";;;",
];
const BODIES = [
  "",
  "{}",
  "[]",
  "null",
  "{",
  '"text"',
  "k8s\u0000\u0001\u0002",
  '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"size":3}}',
  '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"generateName":"g-"},"spec":{"size":1e400}}',
  '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","labels":{"a":1}},"spec":[]}',
  '{"apiVersion":"example.com/v1","kind":"Widget","metadata":[],"spec":{"size":3}}',
  '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","managedFields":[{"fieldsV1":{"f:spec":7}}]},"spec":{"size":2}}',
  '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"metadata":{"name":"w"}}',
  '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"w"},"data":{"a":"b"},"binaryData":{"x":"!!"}}',
  '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"../../escape"},"data":{}}',
  '[{"op":"replace","path":"/spec/size","value":5},{"op":"move","from":"/spec","path":"/spec/size"}]',
  '[{"op":"add","path":"/metadata/ownerReferences","value":[{"uid":1}]}]',
  '{"spec":{"replicas":-1}}',
  '{"spec":{"replicas":1.5}}',
  `{"spec":${"[".repeat(5000)}${"]".repeat(5000)}}`,
  `{"metadata":{"annotations":{"a":"${"x".repeat(300_000)}"}}}`,
  "a: &a [*a]",
];

it(`answers ${REQUESTS} odd requests, each with a Status or what was asked for, and stores nothing odd`, async () => {
  const random = seededRandom(SEED);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.next() * from.length)] as T;
  const path = (): string =>
    random.next() < 0.7
      ? pick(PATHS)
      : `/${Array.from({ length: 1 + Math.floor(random.next() * 7) }, () => pick(SEGMENTS)).join("/")}`;
  const query = (): string => {
    const parameters = Array.from(
      { length: Math.floor(random.next() * 3) },
      () => `${pick(PARAMETERS)}=${encodeURIComponent(pick(VALUES))}`,
    );
    return `?${["timeoutSeconds=1", ...parameters].join("&")}`;
  };
  const client = new ApiClient(server.kubeconfig);
  const bad: string[] = [];
  const one = async (): Promise<void> => {
    const [method, target, body, type] = [
      pick(METHODS),
      encodeURI(path()).replaceAll("%25", "%") + query(),
      pick(BODIES),
      pick(TYPES),
    ];
    const shown = `${method} ${target.slice(0, 200)} ${type} ${body.slice(0, 100)}`;
    const hasBody = !["GET", "HEAD", "OPTIONS", "TRACE"].includes(method);
    try {
      const { status, text } = await client.ask(method, target, hasBody ? body : undefined, type);
      if (status >= 500 && status !== 504) bad.push(`${status} ${shown}: ${text.slice(0, 300)}`);
      if (status >= 400 && method !== "HEAD" && (JSON.parse(text) as { kind: string }).kind !== "Status")
        bad.push(`no Status: ${shown}`);
    } catch (error) {
      bad.push(`no answer: ${shown}: ${String(error)}`);
    }
  };
  for (let done = 0; done < REQUESTS; done += 20) await Promise.all(Array.from({ length: 20 }, one));
  client.close();
  expect(bad).toEqual([]);
  expect(await kubectl.ok(["get", "--raw", "/readyz"])).toBe("ok");
  await expectSaneStore();
});

/** Every key is that of the object under it, and every object is one that the server would have made. */
async function expectSaneStore(): Promise<void> {
  const storage = new EtcdStorage({ endpoints: [server.etcdEndpoint] });
  try {
    const { items } = await listAll(storage, "/registry/");
    expect(items.length).toBeGreaterThan(10);
    for (const { key, object } of items) {
      const { name, namespace, uid, creationTimestamp } = object.metadata;
      expect(key.endsWith(namespace === undefined ? `/${name}` : `/${namespace}/${name}`), key).toBe(true);
      expect(name, key).toMatch(/^[a-z0-9:.-]+$/);
      expect(uid, key).toMatch(/^[0-9a-f-]{36}$/);
      expect(Number.isNaN(Date.parse(creationTimestamp ?? "")), key).toBe(false);
      expect(JSON.stringify(object), key).not.toContain("polluted");
      if (object.kind === "Widget") expect((object["spec"] as { size: number }).size, key).toSatisfy(Number.isInteger);
    }
  } finally {
    await storage.close();
  }
}
