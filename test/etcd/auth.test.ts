import { expect, it } from "vitest";
import { StorageUnavailableError } from "../../apiserver/storage/errors.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { startCluster } from "./cluster.ts";
import { askGateway } from "./gateway.ts";
import { keyOf, PREFIX, Recorder, widget } from "./recorder.ts";

/** An etcd that asks for passwords: `root` may do everything, `reader` may read what is ours. */
async function useUsers(cluster: Awaited<ReturnType<typeof startCluster>>) {
  const [endpoint = ""] = cluster.endpoints;
  const ask = (path: string, body: object, token = "") => askGateway(endpoint, `/v3/auth/${path}`, body, token);
  await expect
    .poll(
      () =>
        ask("status", {}).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true);
  for (const [name, password, role] of [
    ["root", "geheim", "root"],
    ["reader", "offen", "reads"],
  ]) {
    await ask("user/add", { name, password });
    await ask("role/add", { name: role });
    await ask("user/grant", { user: name, role });
  }
  const perm = { permType: "READ", key: b64(PREFIX), range_end: b64(`${PREFIX.slice(0, -1)}0`) };
  await ask("role/grant", { name: "reads", perm });
  await ask("enable", {});
  const open = (username: string, password: string) =>
    new EtcdStorage({ endpoints: [endpoint], auth: { username, password }, retryBudgetMs: 10_000 });
  return open;
}

/** Resolves when etcd is there again: a write before that may or may not be done. */
const answers = (storage: EtcdStorage) =>
  expect
    .poll(
      () =>
        storage.get(keyOf("a")).then(
          () => true,
          () => false,
        ),
      { timeout: 30_000 },
    )
    .toBe(true);

const b64 = (text: string) => Buffer.from(text).toString("base64");

it("signs in, again when etcd has forgotten it, and its watches too", async () => {
  await using cluster = await startCluster(1);
  const open = await useUsers(cluster);
  const storage = open("root", "geheim");
  const first = await storage.create(keyOf("a"), widget("a"));
  const recorder = new Recorder(storage, first.revision - 1);
  await recorder.count(1);
  // Tokens are in etcd's memory only.
  await cluster.kill(0);
  cluster.start(0);
  await answers(storage);
  const second = await storage.create(keyOf("b"), widget("b"));
  expect(await recorder.stopAt(second.revision)).toHaveLength(2);
  await storage.close();
});

it("signs in again for a watch alone", async () => {
  await using cluster = await startCluster(1);
  const open = await useUsers(cluster);
  const [storage, other] = [open("root", "geheim"), open("root", "geheim")];
  const first = await storage.create(keyOf("a"), widget("a"));
  const recorder = new Recorder(storage, first.revision - 1);
  await recorder.count(1);
  await cluster.kill(0);
  cluster.start(0);
  await answers(other);
  await other.create(keyOf("b"), widget("b"));
  await recorder.count(2);
  recorder.stop();
  await storage.close();
  await other.close();
});

it("says what is wrong with a password, and what a user may not do", async () => {
  await using cluster = await startCluster(1);
  const open = await useUsers(cluster);
  const wrong = open("root", "falsch");
  await expect(wrong.get(keyOf("a"))).rejects.toThrow(/authentication failed, invalid user ID or password/);
  await wrong.close();
  const reader = open("reader", "offen");
  expect((await reader.get(keyOf("a"))).stored).toBeUndefined();
  const refused = reader.create(keyOf("a"), widget("a"));
  await expect(refused).rejects.toThrow(/permission denied/);
  await expect(refused).rejects.toMatchObject({
    applied: "no",
    reason: new StorageUnavailableError("", { applied: "no" }).reason,
  });
  await reader.close();
});
