import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiStatusError, ConnectionError, isConflict, ProtocolError } from "../../../client/errors.ts";
import { httpsTransport } from "../../../client/https-transport.ts";
import { loadKubeconfig } from "../../../client/kubeconfig/client-node.ts";
import { KubeconfigError, loadKubeconfigFile } from "../../../client/kubeconfig/file.ts";
import type { ApiObject } from "../../../client/api-object.ts";
import type { ResourceType } from "../../../machinery/resource-type.ts";
import { RestClient } from "../../../client/rest.ts";
import type { Connection } from "../../../client/transport.ts";
import { systemClock } from "../../../machinery/clock.ts";
import { TimeoutError } from "../../../machinery/deadline.ts";
import { makeCertificate, ScriptedServer, sendJson, sendStatus } from "./scripted-server.ts";

interface Widget extends ApiObject {
  spec?: { size: number };
}
const widgets: ResourceType<Widget> = {
  group: "example.com",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};
const widget = (name: string, resourceVersion = "1"): Widget => ({
  metadata: { namespace: "ns", name, resourceVersion, uid: name },
});

let server: ScriptedServer;
const closers: (() => void)[] = [];

beforeEach(async () => {
  server = await ScriptedServer.start();
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await server.stop();
});

function clientFor(connection: Connection, timeoutMs = 10_000): RestClient {
  const { transport, close } = httpsTransport(connection);
  closers.push(close);
  return new RestClient({ transport, clock: systemClock, timeoutMs });
}
const client = (timeoutMs?: number) => clientFor(server.connection, timeoutMs);

describe("requests", () => {
  it("speak each verb as Kubernetes has it", async () => {
    const seen: string[] = [];
    server.handler = ({ request, response, body }) => {
      const type = request.headers["content-type"] ?? "";
      seen.push(`${request.method} ${request.url} ${type} ${body}`.trim());
      sendJson(response, 200, widget("a"));
    };
    const api = client();
    const key = { namespace: "ns", name: "a" };
    const spec = { size: 1 };
    await api.get(widgets, key);
    await api.create(widgets, { metadata: { namespace: "ns", name: "a" }, spec });
    await api.update(widgets, { metadata: { ...key, resourceVersion: "1" }, spec });
    await api.updateStatus(widgets, { metadata: key });
    await api.patch(widgets, key, { kind: "merge", body: { spec } });
    await api.patch(widgets, { ...key, subresource: "status" }, { kind: "json", body: [{ op: "test" }] });
    await api.apply(widgets, { metadata: key }, { fieldManager: "me", force: true, subresource: "status" });
    await api.delete(widgets, key, { uid: "u", propagationPolicy: "Foreground" });
    const type = '"apiVersion":"example.com/v1","kind":"Widget"';
    const path = "/apis/example.com/v1/namespaces/ns/widgets";
    expect(seen).toEqual([
      `GET ${path}/a`,
      `POST ${path} application/json {"metadata":{"namespace":"ns","name":"a"},"spec":{"size":1},${type}}`,
      `PUT ${path}/a application/json {"metadata":{"namespace":"ns","name":"a","resourceVersion":"1"},"spec":{"size":1},${type}}`,
      `PUT ${path}/a/status application/json {"metadata":{"namespace":"ns","name":"a"},${type}}`,
      `PATCH ${path}/a application/merge-patch+json {"spec":{"size":1}}`,
      `PATCH ${path}/a/status application/json-patch+json [{"op":"test"}]`,
      `PATCH ${path}/a/status?fieldManager=me&force=true application/apply-patch+yaml {"metadata":{"namespace":"ns","name":"a"},${type}}`,
      `DELETE ${path}/a application/json {"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Foreground","preconditions":{"uid":"u"}}`,
    ]);
  });

  it("escape names and selectors", async () => {
    server.handler = ({ response }) => sendJson(response, 200, { items: [], metadata: { resourceVersion: "1" } });
    await client().list(widgets, { namespace: "a/b", labelSelector: "x in (a,b)", fieldSelector: "f=1&2" });
    expect(server.asked).toEqual([
      "GET /apis/example.com/v1/namespaces/a%2Fb/widgets?labelSelector=x+in+%28a%2Cb%29&fieldSelector=f%3D1%262&limit=500",
    ]);
  });

  it("gather all pages of a list and give the items their type", async () => {
    server.handler = ({ response, url }) => {
      const last = url.searchParams.get("continue") === "more";
      const metadata = { resourceVersion: "7", ...(last ? {} : { continue: "more" }) };
      sendJson(response, 200, { items: [widget(last ? "b" : "a")], metadata });
    };
    const list = await client().list(widgets);
    expect(list.resourceVersion).toBe("7");
    expect(list.items.map((item) => [item.metadata.name, item.kind, item.apiVersion])).toEqual([
      ["a", "Widget", "example.com/v1"],
      ["b", "Widget", "example.com/v1"],
    ]);
  });

  it("list again without pages when history is gone in between", async () => {
    server.handler = ({ response, url }) => {
      if (url.searchParams.has("continue")) return sendStatus(response, 410, "Expired");
      const paged = url.searchParams.has("limit");
      const metadata = { resourceVersion: paged ? "7" : "9", ...(paged ? { continue: "more" } : {}) };
      sendJson(response, 200, { items: [widget("a")], metadata });
    };
    const list = await client().list(widgets);
    expect([list.resourceVersion, list.items.length]).toEqual(["9", 1]);
  });

  it("take an answer without items for an error, never for an empty list", async () => {
    server.handler = ({ response }) => sendJson(response, 200, { hello: "world" });
    await expect(client().list(widgets)).rejects.toThrow(ProtocolError);
  });
});

describe("errors", () => {
  const key = { namespace: "ns", name: "a" };

  it("carry code, reason, details and Retry-After", async () => {
    server.handler = ({ response }) => {
      response.setHeader("retry-after", "3");
      sendStatus(response, 409, "Conflict", { name: "a", kind: "widgets" });
    };
    const error = await client()
      .get(widgets, key)
      .catch((thrown: unknown) => thrown);
    expect(isConflict(error)).toBe(true);
    expect(error).toMatchObject({ code: 409, retryAfterMs: 3000, details: { name: "a", kind: "widgets" } });
  });

  it("show what a proxy says that speaks no Status", async () => {
    server.handler = ({ response }) => void response.writeHead(503).end("<h1>down</h1>");
    const error = await client()
      .get(widgets, key)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiStatusError);
    expect(error).toMatchObject({ code: 503, reason: "ServiceUnavailable", message: "HTTP 503: <h1>down</h1>" });
  });

  it("say that a refused connection sent nothing", async () => {
    const api = client();
    await server.stop();
    const error = await api.create(widgets, widget("a")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ outcome: "not-sent" });
  });

  it("say that a lost reply leaves the outcome unknown, and send a write once", async () => {
    server.handler = ({ request }) => void request.socket.destroy();
    const error = await client()
      .create(widgets, widget("a"))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ConnectionError", outcome: "unknown" });
    expect(server.asked).toHaveLength(1);
  });

  it("say so too when the reply is cut in the middle", async () => {
    server.handler = ({ response }) => {
      response.writeHead(201, { "content-length": "100" }).write('{"metadata":', () => response.destroy());
    };
    const error = await client()
      .create(widgets, widget("a"))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ConnectionError", outcome: "unknown" });
  });

  it("read once more when a kept-alive connection turns out to be dead", async () => {
    let cut = false;
    server.handler = ({ request, response }) => {
      if (cut) {
        cut = false;
        request.socket.destroy();
      } else sendJson(response, 200, widget("a"));
    };
    const api = client();
    await api.get(widgets, key);
    cut = true;
    await expect(api.get(widgets, key)).resolves.toMatchObject({ metadata: { name: "a" } });
  });

  it("end a request that is not answered", async () => {
    server.handler = () => undefined;
    await expect(client(50).get(widgets, key)).rejects.toThrow(TimeoutError);
  });

  it("end a request when the caller gives up, with the caller's reason", async () => {
    const stop = new AbortController();
    server.handler = () => stop.abort(new Error("changed my mind"));
    await expect(client().get(widgets, key, stop.signal)).rejects.toThrow("changed my mind");
  });

  it("refuse a server with a foreign certificate before anything is sent", async () => {
    const { cert } = await makeCertificate();
    const error = await clientFor({ ...server.connection, ca: cert })
      .create(widgets, widget("a"))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ConnectionError", outcome: "not-sent" });
    expect(server.asked).toEqual([]);
  });
});

it("goes to the next server when one cannot be reached", async () => {
  server.handler = ({ response }) => sendJson(response, 200, widget("a"));
  const dead = await ScriptedServer.start();
  await dead.stop();
  const api = clientFor({
    ...server.connection,
    servers: [`https://127.0.0.1:${dead.port}`, ...server.connection.servers],
  });
  await expect(api.create(widgets, widget("a"))).rejects.toThrow(ConnectionError);
  await expect(api.create(widgets, widget("a"))).resolves.toMatchObject({ metadata: { name: "a" } });
});

describe("kubeconfig", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp("/tmp/ferrite-kubeconfig-");
  });
  afterEach(() => rm(dir, { recursive: true }));

  const write = async (user: object, cluster: object = {}) => {
    const connection = server.connection;
    await writeFile(`${dir}/ca.crt`, connection.ca ?? "");
    const config = {
      "current-context": "here",
      contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
      clusters: [
        { name: "c", cluster: { server: connection.servers[0], "certificate-authority": "ca.crt", ...cluster } },
      ],
      users: [{ name: "u", user }],
    };
    await writeFile(`${dir}/config`, JSON.stringify(config));
    return `${dir}/config`;
  };

  it("reads credential files again when they change", async () => {
    const subjects: string[] = [];
    server.handler = ({ request, response }) => {
      subjects.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? "");
      sendJson(response, 200, widget("a"));
    };
    const [first, second] = [await makeCertificate("first"), await makeCertificate("second")];
    const install = async ({ cert, key }: { cert: string; key: string }, time: number) => {
      await writeFile(`${dir}/tls.crt`, cert);
      await writeFile(`${dir}/tls.key`, key);
      await utimes(`${dir}/tls.crt`, time, time);
      await utimes(`${dir}/tls.key`, time, time);
    };
    await install(first, 1000);
    const path = await write({ "client-certificate": "tls.crt", "client-key": "tls.key" });
    const api = clientFor(await loadKubeconfigFile(path));
    await api.get(widgets, { name: "a" });
    await install(second, 2000);
    await api.get(widgets, { name: "a" });
    expect(subjects).toEqual(["first", "second"]);
  });

  it.each([
    ["our own loader", loadKubeconfigFile],
    ["client-node", loadKubeconfig],
  ])("sends the bearer token (%s)", async (_, load) => {
    let authorization: string | undefined;
    server.handler = ({ request, response }) => {
      authorization = request.headers.authorization;
      sendJson(response, 200, widget("a"));
    };
    await clientFor(await load(await write({ token: "secret" }))).get(widgets, { name: "a" });
    expect(authorization).toBe("Bearer secret");
  });

  it("runs an exec plugin through client-node, and says that the small loader cannot", async () => {
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "from-plugin" },
    };
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "echo",
      args: [JSON.stringify(credential)],
      interactiveMode: "Never",
    };
    const path = await write({ exec });
    expect(await (await loadKubeconfig(path)).credentials()).toEqual({ token: "from-plugin" });
    await expect(loadKubeconfigFile(path)).rejects.toThrow("exec cannot be used here");
  });

  it("names what is wrong", async () => {
    await expect(loadKubeconfigFile(await write({}, { server: "" }))).rejects.toThrow('cluster "c" has no server');
    await writeFile(`${dir}/config`, "current-context: nowhere\n");
    await expect(loadKubeconfigFile(`${dir}/config`)).rejects.toThrow('current-context "nowhere" is not there');
    await writeFile(`${dir}/config`, "just text");
    await expect(loadKubeconfigFile(`${dir}/config`)).rejects.toThrow(KubeconfigError);
  });
});
