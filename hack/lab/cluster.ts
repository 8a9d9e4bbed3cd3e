import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { agentLog, joinMachine, startAgent, stopAgent } from "./agent.ts";
import type { Lab } from "./lab.ts";
import { isAlive, kill, type ProcessRecord, start } from "./process.ts";
import type { GuestName } from "./state.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** A lab with Ferrite on it: control plane on this machine, an agent on each guest. */
export class Cluster {
  readonly lab: Lab;
  readonly folder: string;
  #server: ProcessRecord | undefined;
  /** Of the API on this machine's loopback, and of `api` for the guests. */
  readonly port: number;
  #names: readonly string[] = [];

  private constructor(lab: Lab, folder: string, port: number) {
    this.lab = lab;
    this.folder = folder;
    this.port = port;
  }

  /** Starts the control plane and joins an agent on each of `hosts`. */
  static async start(lab: Lab, folder: string, hosts: readonly GuestName[]): Promise<Cluster> {
    mkdirSync(folder, { recursive: true });
    const cluster = new Cluster(lab, folder, await freePort());
    cluster.#names = (await lab.forwardApi(cluster.port)).names;
    await cluster.startServer();
    await run(process.execPath, [join(ROOT, "hack/build.ts")], { cwd: ROOT });
    await Promise.all(hosts.map((host) => cluster.join(host)));
    return cluster;
  }

  get kubeconfig(): string {
    return join(this.folder, "server/pki/admin.kubeconfig");
  }

  async startServer(): Promise<void> {
    const argv = [
      join(ROOT, "cli/ferrite.js"),
      "server",
      "--data-dir",
      join(this.folder, "server"),
      "--listen",
      `127.0.0.1:${this.port}`,
      "--server-name",
      ...this.#names,
    ];
    this.#server = start(argv, { logPath: join(this.folder, "server.log"), diesWithUs: true });
    await this.#until("the API server to answer", async () => {
      await this.kubectl("get", "--raw", "/readyz");
    });
  }

  /** kill -9 of the API server and its controllers; its etcd is taken over by the next start. */
  async killServer(): Promise<void> {
    if (this.#server !== undefined) await kill(this.#server);
  }

  /** Ends the control plane in good order, its etcd too. */
  async stop(): Promise<void> {
    if (this.#server === undefined) return;
    process.kill(this.#server.pid, "SIGTERM");
    const server = this.#server;
    await this.#until("the API server to end", async () => {
      if (isAlive(server)) throw new Error("still there");
    });
  }

  /** Runs kubectl as the administrator; throws with its error output when it fails. */
  async kubectl(...args: string[]): Promise<string> {
    const argv = ["--kubeconfig", this.kubeconfig, "--cache-dir", join(this.folder, "kube-cache"), ...args];
    const { stdout } = await run(kubectlProgram(), argv, { maxBuffer: 64 * 2 ** 20 });
    return stdout;
  }

  /** `kubectl apply` of a manifest. */
  async apply(manifest: unknown): Promise<void> {
    const argv = ["--kubeconfig", this.kubeconfig, "--cache-dir", join(this.folder, "kube-cache"), "apply", "-f", "-"];
    const child = spawn(kubectlProgram(), argv, { stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stdin.end(JSON.stringify(manifest));
    const code = await new Promise<number | null>((ended) => child.once("close", ended));
    if (code !== 0) throw new Error(`kubectl apply: ${said}`);
  }

  /** Brings the agent to a machine and joins it by a one-use token, as an administrator would. */
  async join(host: GuestName): Promise<void> {
    await joinMachine(this.lab.guest(host), {
      server: `https://api:${this.port}`,
      authorityPem: readFileSync(join(this.folder, "server/pki/ca.crt"), "utf8"),
      timeFactor: this.lab.timeFactor,
      create: (secret) => this.apply(secret),
    });
  }

  async startAgent(host: GuestName): Promise<void> {
    await startAgent(this.lab.guest(host));
  }

  /** kill -9, as a crash would; it stays dead until `startAgent` or the machine's next start. */
  async killAgent(host: GuestName): Promise<void> {
    await stopAgent(this.lab.guest(host));
  }

  async agentLog(host: GuestName): Promise<string> {
    return agentLog(this.lab.guest(host));
  }

  async #until(what: string, attempt: () => Promise<void>, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        return await attempt();
      } catch (cause) {
        if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause });
        await sleep(200);
      }
    }
  }

  /** Removes what `stop` leaves for inspection. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** kubectl 1.32 where the machine has it by that name, else whatever it has, else the one from the cache. */
export function kubectlProgram(): string {
  const cached = join(
    process.env["FERRITE_CACHE"] ?? join(process.env["HOME"] ?? "/root", ".cache/ferrite"),
    "kubectl-trixie/usr/bin/kubectl",
  );
  const path = `${process.env["PATH"] ?? ""}:/usr/lib/google-cloud-sdk/bin`.split(":");
  const named = (name: string) => path.map((folder) => join(folder, name)).find((file) => existsSync(file));
  return named("kubectl.1.32") ?? named("kubectl") ?? cached;
}

/** A port that the kernel says is free on loopback. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
