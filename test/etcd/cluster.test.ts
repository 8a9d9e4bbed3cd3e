import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { StorageUnavailableError } from "../../apiserver/storage/errors.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { makeAuthority } from "./certificates.ts";
import { startCluster } from "./cluster.ts";
import { keyOf, Recorder, widget } from "./recorder.ts";

it("goes on when members of a cluster are killed or fall silent, one at a time", async () => {
  await using cluster = await startCluster(3);
  const storage = new EtcdStorage({ endpoints: cluster.endpoints, requestTimeoutMs: 2000, retryBudgetMs: 30_000 });
  const start = await storage.currentRevision();
  const recorder = new Recorder(storage, start);
  const acknowledged: string[] = [];
  let unknown = 0;
  let n = 0;
  const write = async (count: number) => {
    const end = acknowledged.length + count;
    while (acknowledged.length < end) {
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, () => storage.create(keyOf(`n${n++}`), widget("n"))),
      );
      for (const result of results) {
        if (result.status === "fulfilled") acknowledged.push(`${result.value.key}@${result.value.revision}`);
        else {
          expect(result.reason).toBeInstanceOf(StorageUnavailableError);
          unknown++;
        }
      }
    }
  };
  await write(50);
  for (const member of [0, 1, 2]) {
    await cluster.kill(member);
    await write(50);
    cluster.start(member);
    // The two others must both be there before the next one goes.
    await storage.get(keyOf("a"));
    await write(50);
  }
  // One of them is the one in use.
  for (const member of [0, 1, 2]) {
    cluster.freeze(member);
    await write(50);
    const { revision } = await storage.create(keyOf(`frozen${member}`), widget("n"));
    acknowledged.push(`${keyOf(`frozen${member}`)}@${revision}`);
    await recorder.reached(revision);
    cluster.thaw(member);
    await write(20);
  }
  const last = await storage.create(keyOf("last"), widget("last"));
  const seen = (await recorder.stopAt(last.revision)).map(({ stored }) => `${stored.key}@${stored.revision}`);
  expect(new Set(seen).size).toBe(seen.length);
  const all = new Set(seen);
  expect(acknowledged.filter((key) => !all.has(key))).toEqual([]);
  expect(seen.length - 1 - acknowledged.length).toBeLessThanOrEqual(unknown);
  await storage.close();
});

it("speaks TLS with a certificate of its own, and believes only its CA", async () => {
  const authority = await makeAuthority("etcd");
  const server = await authority.issue("server");
  const client = await authority.issue("client");
  const dir = mkdtempSync(join(tmpdir(), "ferrite-tls-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const flags = [
    `--cert-file=${file("server.crt", server.certificate)}`,
    `--key-file=${file("server.key", server.key)}`,
    `--trusted-ca-file=${file("ca.crt", authority.ca)}`,
    "--client-cert-auth",
  ];
  await using cluster = await startCluster(1, () => flags, "https");
  const open = (ca: string, identity?: typeof client) =>
    new EtcdStorage({
      endpoints: cluster.endpoints,
      retryBudgetMs: 1000,
      tls: {
        ca: Buffer.from(ca),
        ...(identity && { certificate: Buffer.from(identity.certificate), key: Buffer.from(identity.key) }),
      },
    });
  const storage = open(authority.ca, client);
  await storage.create(keyOf("a"), widget("a"));
  const recorder = new Recorder(storage, 1);
  const b = await storage.create(keyOf("b"), widget("b"));
  expect(await recorder.stopAt(b.revision)).toHaveLength(2);
  const strange = await makeAuthority("stranger");
  for (const refused of [
    open(strange.ca, client),
    open(authority.ca),
    open(authority.ca, await strange.issue("client")),
  ]) {
    await expect(refused.get(keyOf("a"))).rejects.toThrow(StorageUnavailableError);
    await refused.close();
  }
  await storage.close();
  rmSync(dir, { recursive: true });
});
