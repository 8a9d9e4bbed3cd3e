import { CustomObjectsApi, KubeConfig, makeInformer, type KubernetesObject } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findByArgument } from "../../apiserver/storage/etcd/process-table.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let server: FerriteServer;
let kubectl: Kubectl;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
});

afterAll(async () => {
  for (const stop of stops) await stop();
  await server.destroy();
});

/** Another project's client, started again after each error as its manual says; knows name -> resourceVersion. */
async function startInformer(): Promise<ReadonlyMap<string, string>> {
  const config = new KubeConfig();
  config.loadFromFile(server.kubeconfig);
  const api = config.makeApiClient(CustomObjectsApi);
  const where = { group: "example.com", version: "v1", namespace: "default", plural: "widgets" };
  const path = "/apis/example.com/v1/namespaces/default/widgets";
  const informer = makeInformer<KubernetesObject>(config, path, () => api.listNamespacedCustomObject(where));
  const known = new Map<string, string>();
  const put = ({ metadata }: KubernetesObject) => known.set(metadata?.name ?? "", metadata?.resourceVersion ?? "");
  informer.on("add", put);
  informer.on("update", put);
  informer.on("delete", ({ metadata }) => known.delete(metadata?.name ?? ""));
  let stopped = false;
  const again = () => {
    if (!stopped) setTimeout(() => void informer.start().catch(again), 100);
  };
  informer.on("error", again);
  stops.push(async () => {
    stopped = true;
    await informer.stop();
  });
  await informer.start();
  return known;
}

const truth = async (): Promise<Map<string, string>> => {
  const { items } = await kubectl.json<{ items: { metadata: { name: string; resourceVersion: string } }[] }>([
    "get",
    "widgets",
  ]);
  return new Map(items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
};

const agrees = async (known: ReadonlyMap<string, string>): Promise<void> => {
  const wanted = await truth();
  await expect.poll(() => new Map(known), { timeout: 30_000 }).toEqual(wanted);
};

it("an informer agrees with the store after restarts of the server and of etcd, and after a compaction", async () => {
  const known = await startInformer();
  for (const name of ["i-1", "i-2", "i-3"]) await kubectl.ok(["create", "-f", "-"], widget(name));
  await agrees(known);

  await server.stop();
  await server.launch();
  await kubectl.ok(["delete", "widget", "i-1"]);
  await kubectl.ok(["label", "widget", "i-2", "after=restart"]);
  await agrees(known);

  const [etcd] = findByArgument(`--data-dir=${server.dataDir}/etcd/data`);
  expect(etcd).toBeDefined();
  process.kill(etcd!, "SIGKILL");
  await expect
    .poll(async () => (await kubectl.run(["create", "-f", "-"], widget("i-4"))).code, { timeout: 30_000 })
    .toBe(0);
  await agrees(known);

  await server.stop();
  await server.launch();
  const storage = new EtcdStorage({ endpoints: [server.etcdEndpoint] });
  await kubectl.ok(["delete", "widget", "i-2"]);
  await storage.compact(await storage.currentRevision());
  await storage.close();
  await kubectl.ok(["create", "-f", "-"], widget("i-5"));
  await agrees(known);
  expect([...known.keys()].sort()).toEqual(["i-3", "i-4", "i-5"]);
});
