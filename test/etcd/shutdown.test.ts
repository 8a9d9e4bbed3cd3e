import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { findByArgument } from "../../apiserver/storage/etcd/process-table.ts";
import { etcdBinary } from "./local-etcd.ts";

/** What `ferrite server` may take from SIGTERM to its end, on a machine with other work. */
const BOUND_MS = 15_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function launch(dir: string, port: number): Promise<{ child: ChildProcess; said: () => string }> {
  const argv = ["server", "--data-dir", dir, "--listen", `127.0.0.1:${port}`, "--etcd-binary", etcdBinary];
  const child = spawn(join(import.meta.dirname, "../../cli/ferrite.js"), argv, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (text: Buffer) => (said += text.toString()));
  await vi.waitFor(() => expect(said).toContain('"msg":"ready"'), { timeout: 60_000 });
  return { child, said: () => said };
}

/** Connections as machines leave them that lose their power: open, and silent for ever. */
async function halfDead(dir: string, port: number): Promise<ChildProcess> {
  const argv = [join(import.meta.dirname, "half-dead-clients-process.ts"), String(port), join(dir, "pki")];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  expect(String((await once(child.stdout, "data"))[0])).toBe("open\n");
  child.kill("SIGSTOP");
  return child;
}

it("ends soon after SIGTERM, whoever still hangs on it, also after it was killed and started again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ferrite-shutdown-"));
  const port = await freePort();
  const etcds = () => findByArgument(`--data-dir=${join(dir, "etcd", "data")}`);
  const children: ChildProcess[] = [];
  const start = async () => {
    const server = await launch(dir, port);
    children.push(server.child, await halfDead(dir, port));
    return server;
  };
  try {
    const first = await start();
    const killed = once(first.child, "exit");
    first.child.kill("SIGKILL");
    await killed;
    expect(etcds()).toHaveLength(1);
    const { child, said } = await start();
    const beganMs = performance.now();
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), BOUND_MS);
    const [code, signal] = (await ended) as [number | null, string | null];
    clearTimeout(late);
    process.stdout.write(`SIGTERM to end: ${Math.round(performance.now() - beganMs)} ms\n`);
    expect([code, signal], said()).toEqual([0, null]);
    expect(said()).toContain('"orderly":true');
    expect(said()).not.toContain("outlives");
    expect(etcds()).toEqual([]);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
  rmSync(dir, { recursive: true });
});
