import { expect, it } from "vitest";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import type { Storage, StorageWatch } from "../../../apiserver/storage/types.ts";
import { systemClock } from "../../../machinery/clock.ts";
import { startHarness } from "./harness.ts";

const KEY = "/registry/configmaps/default/c";
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const APPLY = { "content-type": "application/apply-patch+yaml" };

/** A store whose watches can fall silent, as when etcd is slow to send what it has already acknowledged. */
function silenceable(): { readonly storage: Storage; readonly silence: () => void } {
  const storage = new MemoryStorage(systemClock);
  let silent = false;
  const watch = (prefix: string, afterRevision: number, signal: AbortSignal): StorageWatch => {
    const inner = storage.watch(prefix, afterRevision, signal);
    return {
      requestProgress: () => inner.requestProgress(),
      async *[Symbol.asyncIterator]() {
        for await (const event of inner) if (!silent) yield event;
      },
    };
  };
  const wrapped: Storage = {
    get: (key) => storage.get(key),
    list: (prefix, page) => storage.list(prefix, page),
    create: (key, object, options) => storage.create(key, object, options),
    replace: (key, revision, object, options) => storage.replace(key, revision, object, options),
    delete: (key, revision) => storage.delete(key, revision),
    watch,
    currentRevision: () => storage.currentRevision(),
    compact: (revision) => storage.compact(revision),
    close: () => storage.close(),
  };
  return { storage: wrapped, silence: () => (silent = true) };
}

async function withStaleConfigMap() {
  const { storage, silence } = silenceable();
  const { ask } = await startHarness(storage);
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { a: "1" } };
  await ask("POST", CONFIG_MAPS, object);
  // Resolves when memory has it.
  await ask("GET", CONFIG_MAPS);
  silence();
  return { storage, ask, object };
}

it("an apply makes an object anew that memory still has and the store has not", async () => {
  const { storage, ask, object } = await withStaleConfigMap();
  const { stored } = await storage.get(KEY);
  await storage.delete(KEY, stored?.revision ?? 0);
  const applied = await ask("PATCH", `${CONFIG_MAPS}/c?fieldManager=m`, object, APPLY);
  expect(applied.status).toBe(201);
  expect(applied.body.metadata.uid).not.toBe(stored?.object.metadata.uid);
});

it("an apply changes what the store has now, not what memory remembers", async () => {
  const { storage, ask, object } = await withStaleConfigMap();
  const { stored } = await storage.get(KEY);
  const newer = { ...structuredClone(stored?.object ?? object), data: { a: "1", b: "2" } };
  await storage.replace(KEY, stored?.revision ?? 0, newer);
  const applied = await ask("PATCH", `${CONFIG_MAPS}/c?fieldManager=m`, { ...object, data: { c: "3" } }, APPLY);
  expect([applied.status, applied.body["data"]]).toEqual([200, { a: "1", b: "2", c: "3" }]);
});
