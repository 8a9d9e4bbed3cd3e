import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { FerriteServer } from "./ferrite-server.ts";
import { Informed } from "./informed.ts";
import { Kubectl } from "./kubectl.ts";
import { WIDGET_CRD, widget } from "./widgets.ts";

let server: FerriteServer;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await FerriteServer.start();
  kubectl = new Kubectl(server.kubeconfig);
  await kubectl.ok(["apply", "-f", "-"], WIDGET_CRD);
});

afterAll(() => server.destroy());

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
  const informed = await Informed.start(server.kubeconfig, "default");
  onTestFinished(() => informed.stop());
  const { known } = informed;
  for (const name of ["i-1", "i-2", "i-3"]) await kubectl.ok(["create", "-f", "-"], widget(name));
  await agrees(known);

  await server.stop();
  await server.launch();
  await kubectl.ok(["delete", "widget", "i-1"]);
  await kubectl.ok(["label", "widget", "i-2", "after=restart"]);
  await agrees(known);

  server.killEtcd();
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
