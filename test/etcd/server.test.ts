import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findByArgument } from "../../apiserver/storage/etcd/process-table.ts";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import { EtcdStorage } from "../../apiserver/storage/etcd/storage.ts";
import { silentLogger } from "../../machinery/log.ts";
import { etcdBinary, startEtcd } from "./local-etcd.ts";
import { keyOf, widget } from "./recorder.ts";

const processesOf = (dir: string) => findByArgument(`--data-dir=${join(dir, "data")}`);

it("is ready well within 1.5 s, on sockets that nobody else can reach, and leaves nothing running", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ferrite-etcd-"));
  const inner = join(dir, "etcd");
  const times: number[] = [];
  for (let start = 0; start < 3; start++) {
    const beganMs = performance.now();
    const etcd = await LocalEtcd.start({ binary: etcdBinary, dir: inner, log: silentLogger });
    times.push(Math.round(performance.now() - beganMs));
    expect(statSync(inner).mode & 0o777).toBe(0o700);
    expect(processesOf(inner)).toEqual([etcd.pid]);
    await etcd.stop();
    expect(processesOf(inner)).toEqual([]);
  }
  process.stdout.write(`etcd start to ready, ms: ${times.join(" ")}\n`);
  expect(Math.max(...times)).toBeLessThan(1500);
  rmSync(dir, { recursive: true });
});

it("starts etcd again when it dies, with what was written", async () => {
  await using server = await startEtcd();
  const storage = new EtcdStorage({ endpoints: [server.endpoint] });
  await storage.create(keyOf("a"), widget("a"));
  const before = server.etcd.pid!;
  process.kill(before, "SIGKILL");
  expect((await storage.get(keyOf("a"))).stored).toBeDefined();
  expect(server.etcd.pid).not.toBe(before);
  await storage.close();
});

it("ends the etcd that a killed server has left behind, and keeps its data", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ferrite-etcd-"));
  const script = `
    import { LocalEtcd } from ${JSON.stringify(new URL("../../apiserver/storage/etcd/server.ts", import.meta.url).href)};
    import { EtcdStorage } from ${JSON.stringify(new URL("../../apiserver/storage/etcd/storage.ts", import.meta.url).href)};
    import { silentLogger } from ${JSON.stringify(new URL("../../machinery/log.ts", import.meta.url).href)};
    const etcd = await LocalEtcd.start({ binary: process.argv[1], dir: process.argv[2], log: silentLogger });
    const storage = new EtcdStorage({ endpoints: [etcd.endpoint] });
    await storage.create(${JSON.stringify(keyOf("a"))}, ${JSON.stringify(widget("a"))});
    process.stdout.write("ready");`;
  const killed = spawn(process.execPath, ["--input-type=module", "-e", script, etcdBinary, dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  expect(String((await once(killed.stdout, "data"))[0])).toBe("ready");
  const [orphan] = processesOf(dir);
  expect(orphan).toBeDefined();
  await expect(LocalEtcd.start({ binary: etcdBinary, dir, log: silentLogger })).rejects.toMatchObject({
    reason: "DataDirInUse",
  });
  expect(processesOf(dir)).toEqual([orphan]);
  const exited = once(killed, "exit");
  killed.kill("SIGKILL");
  await exited;
  expect(processesOf(dir)).toEqual([orphan]);
  {
    await using server = await startEtcd({ dir });
    expect(processesOf(dir)).toEqual([server.etcd.pid]);
    expect(server.etcd.pid).not.toBe(orphan);
    const storage = new EtcdStorage({ endpoints: [server.endpoint] });
    expect((await storage.get(keyOf("a"))).stored).toBeDefined();
    await storage.close();
  }
  expect(processesOf(dir)).toEqual([]);
  rmSync(dir, { recursive: true });
});

it.each([
  ["too old", "#!/bin/sh\necho 'etcd Version: 3.4.23'", "EtcdTooOld"],
  ["no etcd", "#!/bin/sh\necho hello", "EtcdTooOld"],
  [
    "dies at once",
    "#!/bin/sh\n[ $1 = --version ] && echo 'etcd Version: 3.5.16' && exit\necho no disk >&2; exit 1",
    "EtcdDied",
  ],
])("refuses a program: %s", async (_, script, reason) => {
  const dir = mkdtempSync(join(tmpdir(), "ferrite-etcd-"));
  const binary = join(dir, "etcd");
  writeFileSync(binary, script);
  chmodSync(binary, 0o755);
  const options = { binary, dir: join(dir, "d"), log: silentLogger };
  await expect(LocalEtcd.start(options)).rejects.toMatchObject({ reason });
  // Nothing is held: with the right program it starts.
  const etcd = await LocalEtcd.start({ ...options, binary: etcdBinary });
  await etcd.stop();
  rmSync(dir, { recursive: true });
});

it("names the program that it cannot find, and the path that is too long", async () => {
  const log = silentLogger;
  const dir = mkdtempSync(join(tmpdir(), "ferrite-etcd-"));
  await expect(LocalEtcd.start({ binary: "/none/etcd", dir, log })).rejects.toThrow("/none/etcd");
  const long = join(dir, "x".repeat(120));
  await expect(LocalEtcd.start({ binary: etcdBinary, dir: long, log })).rejects.toMatchObject({
    reason: "PathTooLong",
  });
  rmSync(dir, { recursive: true });
});
