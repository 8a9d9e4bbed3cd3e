import { type Clock, sleep, systemClock } from "../../../machinery/clock.ts";
import type { Logger } from "../../../machinery/log.ts";
import { type Random, systemRandom } from "../../../machinery/random.ts";
import { Caller } from "./caller.ts";
import type { EtcdEndpoints } from "./client.ts";
import { Compactor } from "./compactor.ts";
import { Endpoints } from "./endpoints.ts";
import { newestSnapshot, saveSnapshot } from "./snapshot.ts";
import { reclaimSpace, relieveFullDatabase } from "./space.ts";

export interface UpkeepOptions extends EtcdEndpoints {
  readonly log: Logger;
  /** History is kept at least that long, at most twice as long; default 10 minutes. */
  readonly compactIntervalMs?: number;
  /** For an etcd of our own: look after its file, too. Others have their administrator. */
  readonly own?: { readonly quotaBytes: number; readonly snapshots: SnapshotOptions };
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface SnapshotOptions {
  readonly dir: string;
  readonly intervalMs: number;
  readonly keep: number;
}

const CALL_BUDGET_MS = 10_000;
/** A full database is noticed within this time. */
const CHECK_MS = 10_000;
/** How often it is asked whether a snapshot is due. */
const SNAPSHOT_LOOK_MS = 60_000;

/** What a running etcd needs from time to time: old history dropped, space given back, a copy of everything. */
export class EtcdUpkeep {
  readonly compactor: Compactor;
  readonly #endpoints: Endpoints;
  readonly #options: UpkeepOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    // A defragmentation or a snapshot of a large file takes longer than any other call.
    this.#endpoints = new Endpoints({ requestTimeoutMs: 60_000, ...options }, this.#clock);
    const random = options.random ?? systemRandom;
    const caller = new Caller(this.#endpoints, this.#clock, random, CALL_BUDGET_MS, this.#stopping.signal);
    this.compactor = new Compactor(caller);
  }

  start(): void {
    const { compactIntervalMs = 600_000, own } = this.#options;
    const tasks = [this.#every(compactIntervalMs, "compaction", () => this.#compact())];
    if (own !== undefined) {
      tasks.push(
        this.#every(CHECK_MS, "space check", () => this.relieve()),
        this.#every(Math.min(SNAPSHOT_LOOK_MS, own.snapshots.intervalMs), "snapshot", () => this.saveIfDue()),
      );
    }
    this.#running = Promise.all(tasks);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // Calls under way fail: a defragmentation may take a minute, and etcd ends it by itself.
    this.#endpoints.close();
    await this.#running;
  }

  /** Makes room in a database that has run full. */
  async relieve(): Promise<void> {
    const { own, log } = this.#options;
    if (own !== undefined) await relieveFullDatabase(this.#endpoints.current, this.compactor, own.quotaBytes, log);
  }

  /** Saves a snapshot when one is due by the files that are there: also for a server that never runs for an interval. */
  async saveIfDue(): Promise<void> {
    const { own, log } = this.#options;
    if (own === undefined) return;
    const { dir, intervalMs, keep } = own.snapshots;
    const now = this.#clock.now();
    const newest = await newestSnapshot(dir);
    const ageMs = newest === undefined ? intervalMs : now.getTime() - newest.getTime();
    // Below zero: the clock has been set back since.
    if (ageMs >= 0 && ageMs < intervalMs) return;
    log.info({ path: await saveSnapshot(this.#endpoints.current, dir, now, keep) }, "etcd snapshot saved");
  }

  async #compact(): Promise<void> {
    const { own, log } = this.#options;
    const revision = await this.compactor.turn();
    if (revision !== undefined) log.debug({ revision }, "etcd history compacted");
    if (own !== undefined) await reclaimSpace(this.#endpoints.current, log);
  }

  async #every(intervalMs: number, what: string, task: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(this.#clock, intervalMs, signal).catch(() => {});
      if (signal.aborted) return;
      await task().catch((error: unknown) => {
        if (!signal.aborted) this.#options.log.warn({ err: error, what }, "etcd upkeep failed, trying again later");
      });
    }
  }
}
