import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePki } from "../../apiserver/access/pki/ensure-pki.ts";
import { type ApiServer, startServer } from "../../apiserver/server.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { httpsTransport } from "../../client/https-transport.ts";
import { RestClient } from "../../client/rest.ts";
import type { Transport } from "../../client/transport.ts";
import { systemClock } from "../../machinery/clock.ts";
import { widgetCrd } from "../unit/apiserver/harness.ts";
import { startEtcd } from "./local-etcd.ts";

/** The API server over a real etcd, on HTTPS; by an administrator's certificate. */
export interface Served extends AsyncDisposable {
  readonly storage: EtcdStorage;
  /** Of the running etcd: to be killed. */
  readonly etcdPid: () => number;
  readonly client: RestClient;
  readonly transport: Transport;
  readonly url: string;
  /** Holds `ca.crt`, `admin.crt`, `admin.key`. */
  readonly pkiDirectory: string;
  /** Stops serving: connections are refused. */
  readonly stop: () => Promise<void>;
  /** Serves again, on the same port. */
  readonly start: () => Promise<void>;
}

/** With namespace `default` and Widgets of example.com. */
export async function startServed(): Promise<Served> {
  const etcd = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [etcd.endpoint] });
  const directory = mkdtempSync(join(tmpdir(), "ferrite-pki-"));
  const serverNames = ["127.0.0.1"];
  const pki = await ensurePki({ directory, serverNames, serverUrl: "https://127.0.0.1:6443", clock: systemClock });
  const clientCa = pki.authority.certificatePem;
  let server: ApiServer | undefined;
  let port = 0;
  const start = async () => {
    server = await startServer({
      storage,
      listen: {
        host: "127.0.0.1",
        port,
        tls: { key: pki.server.keyPem, certificate: pki.server.certificatePem, clientCa },
      },
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
    ca: clientCa,
    credentials: async () => ({ cert: pki.admin.certificatePem, key: pki.admin.keyPem }),
  });
  const client = new RestClient({ transport, clock: systemClock, timeoutMs: 10_000 });
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
    url: `https://127.0.0.1:${port}`,
    pkiDirectory: directory,
    stop,
    start,
    async [Symbol.asyncDispose]() {
      close();
      await stop();
      await storage.close();
      await etcd[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
