import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import type { Status } from "../../apiserver/status.ts";
import { ApiClient } from "../../hack/bench/api-client.ts";
import { silentLogger } from "../../machinery/log.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { etcdBinary } from "../etcd/local-etcd.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let dir: string;
let etcd: LocalEtcd;
let server: FerriteServer;
let kubectl: Kubectl;
let client: ApiClient;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "ferrite-statuses-"));
  etcd = await LocalEtcd.start({ binary: etcdBinary, dir, log: silentLogger });
  server = await FerriteServer.start(etcd.endpoint);
  kubectl = new Kubectl(server.kubeconfig);
  client = new ApiClient(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
});

afterAll(async () => {
  client.close();
  await server.destroy();
  await etcd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const WIDGETS = "/apis/example.com/v1/namespaces/default/widgets";
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const object = (name: string, spec: object = { size: 3 }, metadata: object = {}): string =>
  JSON.stringify({ apiVersion: "example.com/v1", kind: "Widget", metadata: { name, ...metadata }, spec });

/** The Status that a request is refused with: whole, and with the code that HTTP has. */
async function refused(...request: Parameters<ApiClient["ask"]>): Promise<Status> {
  const { status, text } = await client.ask(...request);
  const body = JSON.parse(text) as Status;
  expect(body).toMatchObject({ kind: "Status", apiVersion: "v1", status: "Failure", code: status });
  return body;
}

const STRATEGIC = "application/strategic-merge-patch+json";
const MERGE = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";
const APPLY = "application/apply-patch+yaml";
const FUTURE = "9007199254740991";

describe("each reason by which a request is refused, with its code and text", () => {
  beforeAll(() => client.ask("POST", WIDGETS, object("w")));

  it.each<[number, string, string, Parameters<ApiClient["ask"]>]>([
    [400, "BadRequest", "the object provided is unrecognized", ["POST", WIDGETS, "{"]],
    [
      400,
      "BadRequest",
      "the namespace of the provided object (a) does not match the namespace sent on the request (default)",
      ["POST", WIDGETS, object("x", {}, { namespace: "a" })],
    ],
    [
      400,
      "BadRequest",
      "the name of the object (x) does not match the name on the URL (w)",
      ["PUT", `${WIDGETS}/w`, object("x", {}, { resourceVersion: "1" })],
    ],
    [
      400,
      "BadRequest",
      "resourceVersion should not be set on objects to be created",
      ["POST", WIDGETS, object("x", {}, { resourceVersion: "5" })],
    ],
    [400, "BadRequest", "unable to parse requirement", ["GET", `${WIDGETS}?labelSelector=a+in+(b`]],
    [400, "BadRequest", "field label not supported: spec.size", ["GET", `${WIDGETS}?fieldSelector=spec.size%3D1`]],
    [400, "BadRequest", "continue key is not valid", ["GET", `${WIDGETS}?limit=1&continue=abc`]],
    [
      400,
      "BadRequest",
      'strict decoding error: duplicate field "spec.size"',
      [
        "POST",
        `${WIDGETS}?fieldValidation=Strict`,
        '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x"},"spec":{"size":1,"size":2}}',
      ],
    ],
    [
      400,
      "BadRequest",
      "metadata.managedFields must be nil",
      ["PATCH", `${WIDGETS}/w?fieldManager=me`, object("w", {}, { managedFields: [] }), APPLY],
    ],
    [
      403,
      "Forbidden",
      'namespaces "kube-system" is forbidden: this namespace may not be deleted',
      ["DELETE", "/api/v1/namespaces/kube-system"],
    ],
    [404, "NotFound", 'widgets.example.com "nobody" not found', ["GET", `${WIDGETS}/nobody`]],
    [
      404,
      "NotFound",
      'namespaces "nowhere" not found',
      ["POST", "/apis/example.com/v1/namespaces/nowhere/widgets", object("x")],
    ],
    [404, "NotFound", "the server could not find the requested resource", ["GET", "/apis/example.com/v9/widgets"]],
    [404, "NotFound", 'widgets.example.com "nobody" not found', ["PATCH", `${WIDGETS}/nobody`, "{}", MERGE]],
    [
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
      ["POST", "/apis/example.com/v1/widgets", object("x")],
    ],
    [
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
      ["PUT", WIDGETS, object("x")],
    ],
    [
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
      ["POST", `${WIDGETS}/w`, object("w")],
    ],
    [
      405,
      "MethodNotAllowed",
      "Ferrite has no objects of kind Pod (v1)",
      ["POST", "/api/v1/namespaces/default/pods", "{}"],
    ],
    [
      406,
      "NotAcceptable",
      "only the following media types are accepted: application/json",
      ["GET", WIDGETS, undefined, undefined, "text/html"],
    ],
    [
      406,
      "NotAcceptable",
      "only the following media types are accepted: application/json",
      [
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "{}",
        undefined,
        "application/json;as=Table;v=v1;g=meta.k8s.io",
      ],
    ],
    [409, "AlreadyExists", 'widgets.example.com "w" already exists', ["POST", WIDGETS, object("w")]],
    [
      409,
      "Conflict",
      'Operation cannot be fulfilled on widgets.example.com "w": the object has been modified',
      ["PUT", `${WIDGETS}/w`, object("w", { size: 1 }, { resourceVersion: "1" })],
    ],
    [
      409,
      "Conflict",
      "Precondition failed: UID in precondition: other, UID in object meta: ",
      ["DELETE", `${WIDGETS}/w`, '{"preconditions":{"uid":"other"}}'],
    ],
    [
      409,
      "Conflict",
      "uid mismatch: the provided object specified uid other, and no existing object was found",
      ["PATCH", `${WIDGETS}/absent?fieldManager=me`, object("absent", {}, { uid: "other" }), APPLY],
    ],
    [
      413,
      "RequestEntityTooLarge",
      "Request entity too large: limit is 3145728",
      ["POST", CONFIG_MAPS, `{"data":{"a":"${"x".repeat(3 * 2 ** 20)}"}}`],
    ],
    [
      415,
      "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
      ["PATCH", `${WIDGETS}/w`, "{}", STRATEGIC],
    ],
    [
      415,
      "UnsupportedMediaType",
      "the body of the request was in an unknown format",
      ["POST", WIDGETS, object("x"), "text/plain"],
    ],
    [
      422,
      "Invalid",
      "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update",
      ["PUT", `${WIDGETS}/w`, object("w")],
    ],
    [
      400,
      "BadRequest",
      'limit must be a whole number that is not negative, found "many"',
      ["GET", `${WIDGETS}?limit=many`],
    ],
    [
      400,
      "BadRequest",
      'strict decoding error: unknown field "metadata.managedFields[0].foo"',
      ["PATCH", `${WIDGETS}/w?fieldValidation=Strict`, '{"metadata":{"managedFields":[{"foo":1}]}}', MERGE],
    ],
    [422, "Invalid", "resourceVersionMatch: Forbidden", ["GET", `${WIDGETS}?resourceVersionMatch=Exact`]],
    [422, "Invalid", "PatchOptions", ["PATCH", `${WIDGETS}/w`, object("w"), APPLY]],
    [422, "Invalid", "dryRun: Unsupported value", ["POST", `${WIDGETS}?dryRun=Some`, object("x")]],
    [422, "Invalid", "", ["PATCH", `${WIDGETS}/w`, '[{"op":"test","path":"/spec/size","value":9}]', JSON_PATCH]],
    [
      504,
      "Timeout",
      `Too large resource version: ${FUTURE}, current: `,
      ["GET", `${WIDGETS}?resourceVersion=${FUTURE}`],
    ],
  ])("%i %s: %s %j", async (code, reason, text, request) => {
    const status = await refused(...request);
    expect([status.code, status.reason]).toEqual([code, reason]);
    expect(status.message).toContain(text);
  });

  it("says by details what it is about, in the words that clients look for", async () => {
    expect((await refused("GET", `${WIDGETS}/nobody`)).details).toEqual({
      name: "nobody",
      group: "example.com",
      kind: "widgets",
    });
    expect((await refused("POST", WIDGETS, object("w", { size: "big", color: "pink" }))).details).toEqual({
      name: "w",
      group: "example.com",
      kind: "Widget",
      causes: expect.arrayContaining([
        {
          reason: "FieldValueTypeInvalid",
          message: expect.stringContaining("must be of type integer"),
          field: "spec.size",
        },
        {
          reason: "FieldValueNotSupported",
          message: expect.stringContaining("Unsupported value"),
          field: "spec.color",
        },
      ]),
    });
    expect((await refused("GET", `${WIDGETS}?resourceVersion=${FUTURE}`)).details).toEqual({
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
    expect((await client.ask("GET", `${WIDGETS}/w`)).status).toBe(200);
  });
});

describe("as kubectl shows them", () => {
  it("a body above 3 MiB", async () => {
    const manifest = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: huge}\ndata: {a: "${"x".repeat(3.2 * 2 ** 20)}"}\n`;
    expect(await kubectl.fails(["create", "-f", "-"], manifest)).toContain(
      "Error from server (RequestEntityTooLarge): ",
    );
    expect(await kubectl.fails(["get", "cm", "huge"])).toContain('configmaps "huge" not found');
  });

  it("a revision of the future", async () => {
    expect(await kubectl.fails(["get", "--raw", `${WIDGETS}?resourceVersion=${FUTURE}`])).toContain(
      `Error from server (Timeout): Too large resource version: ${FUTURE}, current: `,
    );
  });
});

describe("history that is gone", () => {
  /** Makes some, and drops all history up to now. */
  async function compacted(): Promise<{ readonly first: string; readonly now: string }> {
    const { metadata } = JSON.parse(
      (await client.ask("POST", CONFIG_MAPS, '{"metadata":{"generateName":"old-"}}')).text,
    ) as KubeObject;
    const storage = new EtcdStorage({ endpoints: [etcd.endpoint] });
    try {
      for (let n = 0; n < 3; n += 1) await client.ask("POST", CONFIG_MAPS, '{"metadata":{"generateName":"old-"}}');
      const now = await storage.currentRevision();
      await storage.compact(now);
      return { first: metadata.resourceVersion ?? "", now: String(now) };
    } finally {
      await storage.close();
    }
  }

  it("a list of an old revision is Expired", async () => {
    const { first } = await compacted();
    const path = `${CONFIG_MAPS}?resourceVersion=${first}&resourceVersionMatch=Exact`;
    const status = await refused("GET", path);
    expect([status.code, status.reason]).toEqual([410, "Expired"]);
    expect(status.message).toMatch(new RegExp(`^too old resource version: ${first} \\(\\d+\\)$`));
    expect(await kubectl.fails(["get", "--raw", path])).toContain(
      "Error from server (Expired): too old resource version",
    );
  });

  it("a page that comes too late is Expired, and its answer says how to go on", async () => {
    for (const name of ["p-1", "p-2", "p-3"])
      await client.ask("POST", CONFIG_MAPS, `{"metadata":{"name":"${name}","labels":{"page":"yes"}}}`);
    const first = JSON.parse((await client.ask("GET", `${CONFIG_MAPS}?limit=1&labelSelector=page`)).text) as {
      metadata: { continue: string };
      items: KubeObject[];
    };
    await compacted();
    const rest = `${CONFIG_MAPS}?limit=10&labelSelector=page&continue=`;
    const status = await refused("GET", rest + first.metadata.continue);
    expect([status.code, status.reason]).toEqual([410, "Expired"]);
    expect(status.message).toContain("The provided continue parameter is too old");
    const goesOn = (status.metadata as { continue: string }).continue;
    const second = JSON.parse((await client.ask("GET", rest + goesOn)).text) as { items: KubeObject[] };
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual(["p-1", "p-2", "p-3"]);
  });

  it("a watch from before is told by one event of a stream that then ends, also when another server is asked", async () => {
    const { first } = await compacted();
    // One that was not there has no memory of its own.
    const other = await FerriteServer.start(etcd.endpoint, server);
    const asked = new ApiClient(other.kubeconfig);
    const { status, text } = await asked
      .ask("GET", `${CONFIG_MAPS}?watch=1&timeoutSeconds=20&resourceVersion=${first}`)
      .finally(() => asked.close());
    await other.destroy();
    expect(status).toBe(200);
    const events = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; object: Status });
    expect(events).toMatchObject([{ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } }]);
  });
});

describe("a store that does not answer", () => {
  it("is ServiceUnavailable with Retry-After, health says so, and all goes on by itself", async () => {
    await client.ask("POST", WIDGETS, object("w-outage"));
    process.kill(etcd.pid!, "SIGSTOP");
    try {
      const [read, write, ready, alive] = await Promise.all([
        refused("GET", `${WIDGETS}/w-outage`),
        refused("PATCH", `${WIDGETS}/w-outage`, '{"spec":{"size":9}}', MERGE),
        client.ask("GET", "/readyz"),
        client.ask("GET", "/livez"),
      ]);
      expect([read.code, read.reason, read.details?.retryAfterSeconds]).toEqual([503, "ServiceUnavailable", 1]);
      // What may have been done is no error that clients try again by themselves.
      expect(["ServiceUnavailable", "Timeout"]).toContain(write.reason);
      expect([ready.status, alive.status]).toEqual([500, 200]);
      expect(ready.text).toContain("[-]etcd failed");
    } finally {
      process.kill(etcd.pid!, "SIGCONT");
    }
    await expect.poll(async () => (await client.ask("GET", "/readyz")).status, { timeout: 20_000 }).toBe(200);
    const { spec } = JSON.parse((await client.ask("GET", `${WIDGETS}/w-outage`)).text) as KubeObject;
    expect([3, 9]).toContain((spec as { size: number }).size);
    expect(await kubectl.ok(["create", "-f", "-"], widget("w-after"))).toBe("widget.example.com/w-after created\n");
  });
});
