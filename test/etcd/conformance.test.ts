import { afterAll, beforeAll } from "vitest";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { systemClock } from "../../machinery/clock.ts";
import { describeStorage } from "../conformance/storage.ts";
import { startEtcd } from "./local-etcd.ts";

let server: Awaited<ReturnType<typeof startEtcd>>;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Deletes what earlier tests have left. */
async function empty(storage: EtcdStorage): Promise<void> {
  const { items } = await storage.list("/registry/", { limit: 1000 });
  await Promise.all(items.map(({ key, revision }) => storage.delete(key, revision)));
}

describeStorage("etcd", async () => {
  const storage = new EtcdStorage({ endpoints: [server.endpoint], leaseBucketSeconds: 1 });
  await empty(storage);
  return { storage, clock: systemClock, pass: async () => {} };
});
