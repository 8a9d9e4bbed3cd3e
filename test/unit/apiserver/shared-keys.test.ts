import { generateKeyPairSync } from "node:crypto";
import { beforeEach, expect, it } from "vitest";
import { startServer } from "../../../apiserver/server.ts";
import type { SharedKeys } from "../../../apiserver/shared-keys.ts";
import { MemoryStorage } from "../../../apiserver/storage/memory.ts";
import { systemClock } from "../../../machinery/clock.ts";

const newKey = (): string =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

let storage: MemoryStorage;
beforeEach(() => void (storage = new MemoryStorage(systemClock)));

const KEYS: SharedKeys = {
  authorityPem: "-----BEGIN CERTIFICATE-----\none\n-----END CERTIFICATE-----\n",
  serviceAccountKeyPem: newKey(),
  directory: "/data/pki",
  replace: false,
};
const start = async (keys: SharedKeys) => (await startServer({ storage, sharedKeys: keys })).stop();

it("the first server's keys are those of the store; the same ones are welcome again", async () => {
  await start(KEYS);
  await start(KEYS);
  const { stored } = await storage.get("/registry/configmaps/ferrite-system/control-plane");
  const text = JSON.stringify(stored?.object);
  expect(text).toContain("PUBLIC KEY");
  expect(text).not.toContain("PRIVATE");
});

it.each([
  ["authority", { authorityPem: "another" }, "ca.crt of the store has SHA-256"],
  ["token key", { serviceAccountKeyPem: newKey() }, "(service-account.pub of the store has SHA-256"],
])("another %s is refused, and said which", async (_, other, text) => {
  await start(KEYS);
  const refused = start({ ...KEYS, ...other });
  await expect(refused).rejects.toThrow(text);
  await expect(refused).rejects.toMatchObject({ reason: "KeysDiffer", message: expect.stringContaining("/data/pki") });
  await start(KEYS);
});

it("lost keys are replaced when somebody says so; then the old ones are strangers", async () => {
  await start(KEYS);
  const fresh = { ...KEYS, authorityPem: "another" };
  await start({ ...fresh, replace: true });
  await start(fresh);
  await expect(start(KEYS)).rejects.toThrow("other keys");
});
