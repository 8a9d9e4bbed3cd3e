import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { etcdBinary } from "./local-etcd.ts";

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) server.close();
  return ports;
}

/** An etcd cluster on loopback whose members a test kills and starts again; `flags` go to each member. */
export async function startCluster(
  members: number,
  flags: (dir: string) => readonly string[] = () => [],
  scheme = "http",
) {
  const dir = mkdtempSync(join(tmpdir(), "ferrite-cluster-"));
  const ports = await freePorts(members * 2);
  const peer = (n: number) => `http://127.0.0.1:${ports[members + n]}`;
  const client = (n: number) => `${scheme}://127.0.0.1:${ports[n]}`;
  const children: (ChildProcess | undefined)[] = [];
  const start = (n: number) => {
    children[n] = spawn(
      etcdBinary,
      [
        `--name=m${n}`,
        `--data-dir=${join(dir, `m${n}`)}`,
        `--listen-client-urls=${client(n)}`,
        `--advertise-client-urls=${client(n)}`,
        `--listen-peer-urls=${peer(n)}`,
        `--initial-advertise-peer-urls=${peer(n)}`,
        `--initial-cluster=${Array.from({ length: members }, (_, m) => `m${m}=${peer(m)}`).join(",")}`,
        "--initial-cluster-token=test",
        "--log-level=error",
        ...flags(dir),
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
  };
  const kill = async (n: number) => {
    const child = children[n];
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  for (let n = 0; n < members; n++) start(n);
  return {
    endpoints: Array.from({ length: members }, (_, n) => client(n)),
    start,
    kill,
    /** Stops a member without a word, as a machine that has lost its power: connections stay and say nothing. */
    freeze: (n: number) => children[n]?.kill("SIGSTOP"),
    thaw: (n: number) => children[n]?.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      for (let n = 0; n < members; n++) await kill(n);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
