import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { copyKeys } from "../../apiserver/access/pki/keep-keys.ts";
import { findByArgument } from "../../apiserver/storage/etcd/process-table.ts";

const ROOT = join(import.meta.dirname, "../..");
const ETCD =
  process.env["FERRITE_ETCD"] ?? join(process.env["HOME"] ?? "/root", ".cache/ferrite/etcd-trixie/usr/bin/etcd");

/** A real `ferrite server` in a process of its own, over a real etcd. */
export class FerriteServer {
  readonly dataDir: string;
  readonly address: string;
  readonly #etcdEndpoint: string | undefined;
  #child: ChildProcess | undefined;
  /** All that it logged, for a test that fails. */
  log = "";

  private constructor(dataDir: string, address: string, etcdEndpoint: string | undefined) {
    this.dataDir = dataDir;
    this.address = address;
    this.#etcdEndpoint = etcdEndpoint;
  }

  /** With `etcdEndpoint` on that etcd, else on one of its own; with `keysOf` under the keys of that server. */
  static async start(etcdEndpoint?: string, keysOf?: FerriteServer): Promise<FerriteServer> {
    const server = await FerriteServer.prepare(etcdEndpoint);
    if (keysOf !== undefined) await copyKeys(join(keysOf.dataDir, "pki"), join(server.dataDir, "pki"));
    await server.launch();
    return server;
  }

  /** One that is not started yet. */
  static async prepare(etcdEndpoint?: string): Promise<FerriteServer> {
    const dataDir = mkdtempSync(join(tmpdir(), "ferrite-kubectl-"));
    return new FerriteServer(dataDir, `127.0.0.1:${await freePort()}`, etcdEndpoint);
  }

  /** Runs `ferrite <argv>` to its end. */
  static async command(...argv: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = spawn(join(ROOT, "cli/ferrite.js"), argv, {
      cwd: ROOT,
      env: { ...process.env, FERRITE_ETCD: ETCD },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (text: Buffer) => (output.stdout += text.toString()));
    child.stderr.on("data", (text: Buffer) => (output.stderr += text.toString()));
    await once(child, "close");
    return { ...output, code: child.exitCode };
  }

  get kubeconfig(): string {
    return join(this.dataDir, "pki", "admin.kubeconfig");
  }

  /** Of its own etcd: for another server beside it. */
  get etcdEndpoint(): string {
    return `unix:${join(this.dataDir, "etcd", "client.sock")}`;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("the server is not running");
    return this.#child.pid;
  }

  /** Starts it, again after `stop` or `kill`; resolves when it is ready. */
  async launch(...flags: readonly string[]): Promise<void> {
    const argv = ["server", "--data-dir", this.dataDir, "--listen", this.address, ...flags];
    const etcd = this.#etcdEndpoint === undefined ? ["--etcd-binary", ETCD] : ["--etcd-endpoints", this.#etcdEndpoint];
    const child = spawn(join(ROOT, "cli/ferrite.js"), [...argv, ...etcd], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stderr.on("data", (text: Buffer) => {
      this.log += text.toString();
    });
    const lines = createInterface({ input: child.stdout });
    let ready = false;
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => {
        this.log += `${line}\n`;
        if (!line.includes('"msg":"ready"')) return;
        ready = true;
        resolve();
      });
      // Not at its exit: what it said last may still be on its way.
      child.once("close", (code) => {
        // One that dies later, by itself, is found by whoever ends it.
        if (!ready) this.#child = undefined;
        reject(new Error(`the server ended with ${code}:\n${this.log}`));
      });
    });
  }

  /** As an administrator would: SIGTERM, wait. Returns the exit code. */
  async stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** As a power cut would: its etcd stays behind, as a process of nobody. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** As a fault of etcd would: its own etcd dies, the server starts it again. */
  killEtcd(): void {
    const pids = findByArgument(`--data-dir=${this.dataDir}/etcd/data`);
    if (pids.length === 0) throw new Error(`no etcd works on ${this.dataDir}/etcd/data`);
    for (const pid of pids) process.kill(pid, "SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return null;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server has ended by itself, with ${child.exitCode ?? child.signalCode}:\n${this.log}`);
    }
    child.kill(signal);
    await once(child, "exit");
    return child.exitCode;
  }

  /** Stops it and removes all that it wrote. */
  async destroy(): Promise<void> {
    await this.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("the kernel gave no port");
  return address.port;
}
