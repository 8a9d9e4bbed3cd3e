import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { ExpiredError, StorageUnavailableError } from "../../apiserver/storage/errors.ts";
import { EtcdClient } from "../../apiserver/storage/etcd/client.ts";
import { saveSnapshot } from "../../apiserver/storage/etcd/snapshot.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { EtcdUpkeep } from "../../apiserver/storage/etcd/upkeep.ts";
import { listAll } from "../../apiserver/storage/list-all.ts";
import { type Clock, systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { etcdBinary, startEtcd } from "./local-etcd.ts";
import { keyOf, PREFIX, Recorder, widget } from "./recorder.ts";

const log = silentLogger;
const readable = (storage: EtcdStorage, revision: number) =>
  storage.list(PREFIX, { limit: 1, revision }).then(
    () => true,
    (error: unknown) => {
      expect(error).toBeInstanceOf(ExpiredError);
      return false;
    },
  );

it("drops history an interval late, in turns with other servers", async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  const upkeeps = [1, 2].map(() => new EtcdUpkeep({ endpoints: [server.endpoint], log }));
  const [one, two] = upkeeps.map(({ compactor }) => compactor) as [EtcdUpkeep["compactor"], EtcdUpkeep["compactor"]];
  const write = async (n: number) => (await storage.create(keyOf(`n${n}`), widget("n"))).revision;
  const first = await write(1);
  // Nobody knows yet how old anything is.
  expect([await one.turn(), await two.turn()]).toEqual([undefined, undefined]);
  const second = await write(2);
  expect(await readable(storage, first)).toBe(true);
  const compacted = await one.turn();
  expect(compacted).toBeGreaterThanOrEqual(first);
  expect(compacted).toBeLessThan(second);
  // The other sees that the turn is taken.
  expect(await two.turn()).toBeUndefined();
  expect(await readable(storage, first)).toBe(compacted === first);
  expect(await readable(storage, second)).toBe(true);
  // Whoever comes first in the next interval does it.
  expect(await two.turn()).toBeGreaterThanOrEqual(second);
  expect(await one.turn()).toBeUndefined();
  expect(await readable(storage, second - 1)).toBe(false);
  for (const upkeep of upkeeps) await upkeep.stop();
  await storage.close();
});

it("makes room in a database that has run full of history, and writes work again", async () => {
  const quotaBytes = 16 * 1024 * 1024;
  await using server = await startEtcd({ quotaBytes });
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  const snapshots = { dir: join(server.dir, "snapshots"), intervalMs: 3_600_000, keep: 1 };
  const upkeep = new EtcdUpkeep({ endpoints: [server.endpoint], log, own: { quotaBytes, snapshots } });
  let { revision } = await storage.create(keyOf("a"), widget("a"));
  const full = await (async () => {
    for (;;) ({ revision } = await storage.replace(keyOf("a"), revision, widget("a", revision, 500_000)));
  })().catch((error: unknown) => error);
  expect(full).toBeInstanceOf(StorageUnavailableError);
  expect(full).toMatchObject({ applied: "no", message: expect.stringContaining("database space exceeded") });
  await upkeep.relieve();
  await storage.replace(keyOf("a"), revision, widget("a", 2));
  await upkeep.stop();
  await storage.close();
});

it("saves snapshots that restore, keeps the newest, and clears away what a crash has left", async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  const client = new EtcdClient(server.endpoint, {}, systemClock);
  for (let n = 0; n < 50; n++) await storage.create(keyOf(`n${n}`), widget("n", n, 2000));
  const dir = join(server.dir, "snapshots");
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
  await saveSnapshot(client, dir, at(1), 2);
  writeFileSync(join(dir, "snapshot-20250101T000000Z.db.part"), "half");
  writeFileSync(join(dir, "notes.txt"), "not ours");
  await saveSnapshot(client, dir, at(2), 2);
  const path = await saveSnapshot(client, dir, at(3), 2);
  expect(readdirSync(dir).sort()).toEqual([
    "notes.txt",
    "snapshot-20260101T000002Z.db",
    "snapshot-20260101T000003Z.db",
  ]);

  const restored = mkdtempSync(join(tmpdir(), "ferrite-etcd-"));
  restore(path, join(restored, "data"));
  {
    await using copy = await startEtcd({ dir: restored });
    const other = new EtcdStorage({ endpoints: [copy.endpoint] });
    const brief = async (from: EtcdStorage) =>
      (await listAll(from, PREFIX)).items.map(({ key, revision, value }) => [key, revision, value]);
    expect(await brief(other)).toEqual(await brief(storage));
    await other.close();
  }
  rmSync(restored, { recursive: true });
  client.close();
  await storage.close();
});

it("saves a snapshot whenever the last one is older than the interval, whoever made it", async () => {
  await using server = await startEtcd();
  const dir = join(server.dir, "snapshots");
  const hour = 3_600_000;
  const own = { quotaBytes: 2 ** 30, snapshots: { dir, intervalMs: 6 * hour, keep: 8 } };
  const saved = async (at: string) => {
    const clock: Clock = { ...systemClock, now: () => new Date(`2026-01-01T${at}:00Z`) };
    const upkeep = new EtcdUpkeep({ endpoints: [server.endpoint], log, clock, own });
    await upkeep.saveIfDue();
    await upkeep.stop();
    return readdirSync(dir)
      .sort()
      .map((name) => name.slice("snapshot-20260101T".length, -"00Z.db".length));
  };
  expect(await saved("10:00")).toEqual(["1000"]);
  expect(await saved("15:59")).toEqual(["1000"]);
  expect(await saved("16:00")).toEqual(["1000", "1600"]);
  // Set back: a snapshot from the future must not hold up all others.
  expect(await saved("01:00")).toEqual(["0100", "1000", "1600"]);
});

function restore(snapshot: string, dataDir: string): void {
  const peer = "http://127.0.0.1:2380";
  const etcdutl = join(dirname(etcdBinary), "etcdutl");
  const options = ["--name=local", `--initial-cluster=local=${peer}`, `--initial-advertise-peer-urls=${peer}`];
  execFileSync(etcdutl, ["snapshot", "restore", snapshot, `--data-dir=${dataDir}`, ...options], { stdio: "ignore" });
}

it("tells its watches when the store was put back to an older state", async () => {
  await using before = await startEtcd();
  const { dir } = before;
  const storage = new EtcdStorage({ endpoints: [before.endpoint] });
  const client = new EtcdClient(before.endpoint, {}, systemClock);
  await storage.create(keyOf("a"), widget("a"));
  const path = await saveSnapshot(client, join(dir, "snapshots"), new Date(0), 1);
  client.close();
  const { revision } = await storage.create(keyOf("b"), widget("b"));
  const recorder = new Recorder(storage, revision - 1);
  const ended = recorder.ended.catch((error: unknown) => error);
  await recorder.count(1);
  await before.etcd.stop();
  renameSync(join(dir, "data"), join(dir, "data.old"));
  restore(path, join(dir, "data"));
  await using after = await startEtcd({ dir });
  expect(after.endpoint).toBe(before.endpoint);
  expect(await ended).toBeInstanceOf(ExpiredError);
  expect((await storage.get(keyOf("b"))).stored).toBeUndefined();
  await storage.close();
});
