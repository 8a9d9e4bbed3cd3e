import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface OwnServer {
  readonly kubeconfig: string;
  /** From the start of the process to its first answer. */
  readonly startMs: number;
  /** Of the API server alone, without its etcd. */
  rssMiB(): number;
  /** Processor time that the API server has used so far, without its etcd. */
  cpuMs(): number;
  stop(): Promise<void>;
}

/** Starts `ferrite server` in `dir`, on a free port of loopback, with a local etcd. */
export async function startOwnServer(dir: string): Promise<OwnServer> {
  const root = join(import.meta.dirname, "../..");
  const dataDir = join(dir, "server");
  const address = `127.0.0.1:${await freePort()}`;
  const startedMs = performance.now();
  const argv = ["server", "--data-dir", dataDir, "--listen", address];
  const child = spawn(join(root, "cli/ferrite.js"), argv, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  await ready(child);
  return {
    kubeconfig: join(dataDir, "pki", "admin.kubeconfig"),
    startMs: Math.round(performance.now() - startedMs),
    rssMiB() {
      const status = readFileSync(`/proc/${child.pid ?? "self"}/status`, "utf8");
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    },
    cpuMs() {
      const fields =
        readFileSync(`/proc/${child.pid ?? "self"}/stat`, "utf8")
          .split(") ")[1]
          ?.split(" ") ?? [];
      // utime and stime, in ticks of 10 ms (proc(5)).
      return (Number(fields[11]) + Number(fields[12])) * 10;
    },
    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error("the server has no output");
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"msg":"ready"')) continue;
    child.stdout.resume();
    return;
  }
  throw new Error(`the server ended before it was ready, exit code ${child.exitCode}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("the kernel gave no port");
  return address.port;
}
