import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import { renewAfterRestore } from "../../../cli/store-life.ts";
import { systemClock } from "../../../machinery/clock.ts";
import { silentLogger } from "../../../machinery/log.ts";
import { seededRandom } from "../../../machinery/random.ts";

const KEY = "/registry/ferrite.dev/hostpairs/alpha.beta";
const pair = {
  apiVersion: "ferrite.dev/v1alpha1",
  kind: "HostPair",
  metadata: { name: "alpha.beta" },
  spec: { hosts: ["alpha", "beta"] },
  status: {
    epoch: 7,
    incarnation: "life-1",
    mirrors: [{ namespace: "default", name: "m1", uid: "u1", members: ["alpha"], primary: "alpha" }],
    decision: { nonce: "n", by: "alpha", bootID: "b", reason: "PeerLost", time: "2026-01-01T00:00:00Z" },
  },
};

let folder: string;
let storage: MemoryStorage;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "store-life-"));
  storage = new MemoryStorage(systemClock);
  await storage.create(KEY, pair);
});
afterEach(async () => {
  await storage.close();
  rmSync(folder, { recursive: true });
});

const path = () => join(folder, "store-revision");
/** `revision`: how far the store says it is. */
const renew = (revision?: number, isOwn = true) =>
  renewAfterRestore({
    isOwn,
    storage: {
      list: storage.list.bind(storage),
      replace: storage.replace.bind(storage),
      currentRevision: async () => revision ?? storage.currentRevision(),
    },
    path: path(),
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
  });
const status = async () => (await storage.get(KEY)).stored?.object["status"] as typeof pair.status;

describe("renewAfterRestore", () => {
  it.each<[string, string | undefined, number]>([
    ["is behind what was seen of it", "5000\n", 4999],
    ["is far ahead of it, as after a restore with --bump-revision", "5000\n", 1_000_004_000],
    ["was never seen from this directory", undefined, 5000],
    ["is not known, for the note cannot be read", "what?", 5000],
  ])("begins a new life of every record when the store %s", async (_, seen, revision) => {
    if (seen !== undefined) writeFileSync(path(), seen);
    expect(await renew(revision)).toBe(true);
    const { epoch, incarnation, mirrors, decision } = await status();
    expect(epoch).toBe(8);
    expect(incarnation).not.toBe("life-1");
    expect(mirrors).toEqual(pair.status.mirrors);
    expect(decision).toMatchObject({ by: "alpha", reason: "StoreRestored" });
  });

  it("leaves a shared store alone that another server may have written all the time", async () => {
    expect(await renew(5000, false)).toBe(false);
    expect((await status()).incarnation).toBe("life-1");
    expect(await renew(4000, false)).toBe(true);
  });

  it("leaves a store alone that only went on, and notes how far it is", async () => {
    await renew();
    const before = await status();
    await storage.create("/registry/x", pair);
    expect(await renew()).toBe(false);
    expect(await status()).toEqual(before);
    expect(Number(readFileSync(path(), "utf8"))).toBe(await storage.currentRevision());
  });
});
