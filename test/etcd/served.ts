import { type ApiServer, startServer } from "../../apiserver/server.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { httpsTransport } from "../../client/https-transport.ts";
import { RestClient } from "../../client/rest.ts";
import type { Transport } from "../../client/transport.ts";
import { systemClock } from "../../machinery/clock.ts";
import { namespace, widgetCrd } from "../unit/apiserver/harness.ts";
import { makeCertificate } from "../unit/client/scripted-server.ts";
import { startEtcd } from "./local-etcd.ts";

/** The API server over a real etcd, on HTTPS; everybody is an administrator. */
export interface Served extends AsyncDisposable {
  readonly storage: EtcdStorage;
  /** Of the running etcd: to be killed. */
  readonly etcdPid: () => number;
  readonly client: RestClient;
  readonly transport: Transport;
  /** Stops serving: connections are refused. */
  readonly stop: () => Promise<void>;
  /** Serves again, on the same port. */
  readonly start: () => Promise<void>;
}

const ADMIN = { name: "admin", uid: "", groups: ["system:masters", "system:authenticated"], extra: {} };

/** With namespace `default` and Widgets of example.com. */
export async function startServed(): Promise<Served> {
  const etcd = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [etcd.endpoint] });
  const { cert, key } = await makeCertificate();
  let server: ApiServer | undefined;
  let port = 0;
  const start = async () => {
    server = await startServer({
      storage,
      listen: { host: "127.0.0.1", port, tls: { key, certificate: cert, clientCa: cert } },
      authenticator: { authenticate: () => Promise.resolve(ADMIN) },
    });
    port = Number(new URL(server.url).port);
  };
  const stop = async () => {
    await server?.stop();
    server = undefined;
  };
  await start();
  const { transport, close } = httpsTransport({
    servers: [`https://127.0.0.1:${port}`],
    ca: cert,
    credentials: async () => ({}),
  });
  const client = new RestClient({ transport, clock: systemClock, timeoutMs: 10_000 });
  await client
    .create(
      { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false },
      namespace("default"),
    )
    .catch(() => undefined);
  await client.create(
    {
      group: "apiextensions.k8s.io",
      version: "v1",
      kind: "CustomResourceDefinition",
      plural: "customresourcedefinitions",
      namespaced: false,
    },
    widgetCrd(),
  );
  return {
    storage,
    etcdPid: () => etcd.etcd.pid ?? 0,
    client,
    transport,
    stop,
    start,
    async [Symbol.asyncDispose]() {
      close();
      await stop();
      await storage.close();
      await etcd[Symbol.asyncDispose]();
    },
  };
}
