import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { backoffMs } from "../../../machinery/backoff.ts";
import { type Clock, sleep, systemClock } from "../../../machinery/clock.ts";
import { TerminalError } from "../../../machinery/errors.ts";
import type { Logger } from "../../../machinery/log.ts";
import { type Random, systemRandom } from "../../../machinery/random.ts";
import { EtcdClient } from "./client.ts";
import { lockDataDir } from "./instance-lock.ts";
import { endByArgument } from "./process-table.ts";
import { isAtLeast, OLDEST_ETCD } from "./version.ts";

export interface LocalEtcdOptions {
  /** Path of the program, or its name in PATH. */
  readonly binary: string;
  /** Absolute; made with mode 0700. Holds etcd's data and its sockets. */
  readonly dir: string;
  readonly log: Logger;
  /** Largest size of the database; default 2 GiB. */
  readonly quotaBytes?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

const RESTART = { baseMs: 50, maxMs: 2000 };
/** A run as long as this ends a series of failures. */
const STABLE_MS = 5000;
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 10;
/** etcd leaves at once unless clients keep watching; what it has acknowledged is on disk either way. */
const STOP_GRACE_MS = 2000;
const STDERR_TAIL_CHARS = 2000;
/** Room for an object of 3 MiB, the largest that the API takes, and what a transaction adds. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const NOWHERE = "http://127.0.0.1:2380";
/** `sun_path` of unix(7), less its closing zero. */
const MAX_SOCKET_PATH = 107;

/**
 * One etcd for one machine, as our child: on unix sockets in a directory that only we can enter, so it needs no
 * certificates. It is started again whenever it dies. What a killed server leaves running, the next one ends.
 */
export class LocalEtcd {
  readonly endpoint: string;
  readonly #options: LocalEtcdOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #stderrTail = "";
  #unlock: () => Promise<void> = async () => {};
  #supervising: Promise<void> = Promise.resolve();

  private constructor(options: LocalEtcdOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.endpoint = `unix:${join(options.dir, "client.sock")}`;
  }

  /** Resolves when etcd answers. Throws when it is too old, dies before it is ready, or another server has it. */
  static async start(options: LocalEtcdOptions): Promise<LocalEtcd> {
    await assertVersion(options.binary);
    const etcd = new LocalEtcd(options);
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    etcd.#assertSocketPath();
    etcd.#unlock = await lockDataDir(options.dir);
    try {
      await endByArgument(etcd.#dataDirArgument, STOP_GRACE_MS, etcd.#clock);
      await etcd.#startFirst();
      return etcd;
    } catch (error) {
      await etcd.stop();
      throw error;
    }
  }

  /** For tests that kill it. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends etcd: it writes what it has and leaves. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await endByArgument(this.#dataDirArgument, STOP_GRACE_MS, this.#clock);
    await this.#supervising;
    await this.#unlock();
  }

  get #dataDirArgument(): string {
    return `--data-dir=${join(this.#options.dir, "data")}`;
  }

  #assertSocketPath(): void {
    const path = this.endpoint.slice("unix:".length);
    if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return;
    throw new TerminalError(
      "PathTooLong",
      `${path}: a socket's path has at most ${MAX_SOCKET_PATH} bytes; choose a shorter directory`,
    );
  }

  async #startFirst(): Promise<void> {
    const died = new AbortController();
    const run = this.#run().then(() => died.abort());
    this.#supervising = run.then(() => this.#supervise());
    await this.#ready(died.signal);
  }

  /** Runs etcd once; resolves when it has ended. */
  async #run(): Promise<void> {
    // Not in our process group: an interrupt from the terminal is for us, and etcd goes last.
    const options = { stdio: ["ignore", "ignore", "pipe"] as ["ignore", "ignore", "pipe"], detached: true };
    const child = spawn(this.#options.binary, this.#arguments(), options);
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#options.log.debug({ text }, "etcd says");
      this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARS);
    });
    await new Promise<void>((resolve) => {
      child.once("error", (error) => {
        this.#stderrTail = String(error);
        resolve();
      });
      child.once("exit", () => resolve());
    });
    this.#child = undefined;
  }

  /** Starts etcd again each time that it has ended, until `stop`. */
  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 1; !signal.aborted; failures++) {
      this.#options.log.warn({ failures, stderr: this.#stderrTail }, "etcd ended, starting it again");
      await sleep(this.#clock, backoffMs(RESTART, failures, this.#random), signal).catch(() => {});
      if (signal.aborted) return;
      const startedMs = this.#clock.monotonicMs();
      await this.#run();
      if (this.#clock.monotonicMs() - startedMs > STABLE_MS) failures = 0;
    }
  }

  async #ready(died: AbortSignal): Promise<void> {
    const client = new EtcdClient(this.endpoint, { requestTimeoutMs: 1000 }, this.#clock);
    const deadlineMs = this.#clock.monotonicMs() + READY_TIMEOUT_MS;
    try {
      while (
        !(await client.range({ key: "\0" }).then(
          () => true,
          () => false,
        ))
      ) {
        if (died.aborted) throw new TerminalError("EtcdDied", `etcd ended before it was ready: ${this.#stderrTail}`);
        if (this.#clock.monotonicMs() > deadlineMs) {
          throw new TerminalError(
            "EtcdNotReady",
            `etcd was not ready after ${READY_TIMEOUT_MS} ms: ${this.#stderrTail}`,
          );
        }
        await sleep(this.#clock, READY_POLL_MS);
      }
    } finally {
      client.close();
    }
  }

  #arguments(): string[] {
    const { dir, quotaBytes = 2 * 1024 ** 3 } = this.#options;
    const client = `unix://${join(dir, "client.sock")}`;
    const peer = `unix://${join(dir, "peer.sock")}`;
    return [
      "--name=local",
      this.#dataDirArgument,
      `--listen-client-urls=${client}`,
      // Metrics and health: on a port of their own, or gRPC goes through a slower server.
      `--listen-client-http-urls=unix://${join(dir, "http.sock")}`,
      `--advertise-client-urls=${NOWHERE}`,
      `--listen-peer-urls=${peer}`,
      // A member must advertise host and port; nobody calls them.
      `--initial-advertise-peer-urls=${NOWHERE}`,
      `--initial-cluster=local=${NOWHERE}`,
      // It votes for itself alone: no need to give others time. Shorter ticks would cost more of an idle core.
      "--heartbeat-interval=50",
      "--election-timeout=250",
      // The API server compacts, so that it knows what is gone.
      "--auto-compaction-retention=0",
      `--quota-backend-bytes=${quotaBytes}`,
      `--max-request-bytes=${MAX_REQUEST_BYTES}`,
      "--log-level=warn",
      "--log-outputs=stderr",
    ];
  }
}

async function assertVersion(binary: string): Promise<void> {
  let output: string;
  try {
    ({ stdout: output } = await promisify(execFile)(binary, ["--version"]));
  } catch (cause) {
    throw new TerminalError("EtcdMissing", `cannot run ${binary} --version`, { cause });
  }
  const version = /etcd Version: (\S+)/.exec(output)?.[1] ?? "unknown";
  if (isAtLeast(version, OLDEST_ETCD)) return;
  throw new TerminalError("EtcdTooOld", `${binary} is version ${version}; ${OLDEST_ETCD} or later is needed`);
}
