/** Measures raw etcd from one Node process: puts in flight, and the time from a put to its watch event. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdClient } from "../../apiserver/storage/etcd/client.ts";
import { LocalEtcd } from "../../apiserver/storage/etcd/server.ts";
import type { WatchStream } from "../../apiserver/storage/etcd/watch-stream.ts";
import { prefixEnd } from "../../apiserver/storage/etcd/wire.ts";
import { systemClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";

export interface FloorOptions {
  readonly seconds: number;
  readonly inFlight: number;
  readonly valueBytes: number;
  /** Watches that all see each event of the fan-out. */
  readonly watchers: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface EtcdFloor extends FloorOptions {
  readonly putsPerSecond: number;
  /** From the call to its answer. */
  readonly putMs: Quantiles;
  /** From the call to the event, one put at a time. */
  readonly watchIdleMs: Quantiles;
  /** From the call to the event at each of many watches, one put at a time. */
  readonly watchFanOutMs: Quantiles;
  /** From the call to the event, all in flight. */
  readonly watchLoadedMs: Quantiles;
}

const PREFIX = "/bench/floor/";
const KEYS = 1000;
const IDLE_PUTS = 200;
const FAN_OUT_KEY = "/bench/fan-out";
const FAN_OUT_PUTS = 100;

/** Runs against `endpoint` (for `EtcdClient`); leaves 1,000 keys below /bench/floor/ there. */
export async function measureEtcdFloor(endpoint: string, options: FloorOptions): Promise<EtcdFloor> {
  const client = new EtcdClient(endpoint, {}, systemClock);
  try {
    const bench = await Bench.open(client, options.valueBytes);
    for (let n = 0; n < IDLE_PUTS; n++) {
      await bench.put(n % KEYS);
      await bench.caughtUp();
    }
    const watchIdleMs = quantiles(bench.takeEventMs());
    bench.takePutMs();
    const beganMs = performance.now();
    const endMs = beganMs + options.seconds * 1000;
    const worker = async (first: number) => {
      for (let n = first; performance.now() < endMs; n += options.inFlight) await bench.put(n % KEYS);
    };
    await Promise.all(Array.from({ length: options.inFlight }, (_, first) => worker(first)));
    const tookSeconds = (performance.now() - beganMs) / 1000;
    await bench.caughtUp();
    const puts = bench.takePutMs();
    const putsPerSecond = Math.round(puts.length / tookSeconds);
    bench.close();
    const watchFanOutMs = await measureFanOut(client, options);
    return {
      ...options,
      putsPerSecond,
      putMs: quantiles(puts),
      watchIdleMs,
      watchFanOutMs,
      watchLoadedMs: quantiles(bench.takeEventMs()),
    };
  } finally {
    client.close();
  }
}

/** Many watches of one key, each on a stream of its own of one connection, as a client of an API server has them. */
async function measureFanOut(client: EtcdClient, { watchers, valueBytes }: FloorOptions): Promise<Quantiles> {
  const times: number[] = [];
  let seen = 0;
  let onAll = (): void => {};
  const follow = async (stream: WatchStream, onCreated: () => void): Promise<void> => {
    for await (const responses of stream.responses()) {
      for (const { created, events } of responses) {
        if (created) onCreated();
        for (const { kv } of events) {
          times.push(performance.now() - Number.parseFloat(kv.value));
          seen += 1;
          if (seen % watchers === 0) onAll();
        }
      }
    }
  };
  const open = async (): Promise<WatchStream> => {
    const stream = await client.watch();
    stream.create({ key: FAN_OUT_KEY, rangeEnd: prefixEnd(FAN_OUT_KEY) });
    await new Promise<void>((resolve, reject) => void follow(stream, resolve).catch(reject));
    return stream;
  };
  const streams = await Promise.all(Array.from({ length: watchers }, open));
  const padding = "x".repeat(Math.max(0, valueBytes - 20));
  for (let n = 0; n < FAN_OUT_PUTS; n += 1) {
    const all = new Promise<void>((resolve) => {
      onAll = resolve;
    });
    await client.put({ key: FAN_OUT_KEY, value: `${performance.now()} ${padding}` });
    await all;
  }
  for (const stream of streams) stream.close();
  return quantiles(times);
}

class Bench {
  readonly #client: EtcdClient;
  readonly #padding: string;
  readonly #stream: WatchStream;
  #puts = 0;
  #events = 0;
  #putMs: number[] = [];
  #eventMs: number[] = [];
  #onEvents = () => {};

  private constructor(client: EtcdClient, valueBytes: number, stream: WatchStream) {
    this.#client = client;
    this.#padding = "x".repeat(Math.max(0, valueBytes - 20));
    this.#stream = stream;
  }

  static async open(client: EtcdClient, valueBytes: number): Promise<Bench> {
    const stream = await client.watch();
    const bench = new Bench(client, valueBytes, stream);
    stream.create({ key: PREFIX, rangeEnd: prefixEnd(PREFIX) });
    const created = Promise.withResolvers<void>();
    bench.#follow(created.resolve).catch(created.reject);
    await created.promise;
    return bench;
  }

  async put(n: number): Promise<void> {
    const beganMs = performance.now();
    this.#puts++;
    await this.#client.put({ key: PREFIX + n, value: `${beganMs} ${this.#padding}` });
    this.#putMs.push(performance.now() - beganMs);
  }

  /** Resolves when every put has been seen by the watch. */
  async caughtUp(): Promise<void> {
    while (this.#events < this.#puts) {
      await new Promise<void>((resolve) => {
        this.#onEvents = resolve;
      });
    }
  }

  takePutMs(): readonly number[] {
    const taken = this.#putMs;
    this.#putMs = [];
    return taken;
  }

  takeEventMs(): readonly number[] {
    const taken = this.#eventMs;
    this.#eventMs = [];
    return taken;
  }

  close(): void {
    this.#stream.close();
  }

  async #follow(onCreated: () => void): Promise<void> {
    for await (const responses of this.#stream.responses()) {
      const nowMs = performance.now();
      for (const { created, events } of responses) {
        if (created) onCreated();
        for (const { kv } of events) this.#eventMs.push(nowMs - Number.parseFloat(kv.value));
        this.#events += events.length;
      }
      this.#onEvents();
    }
  }
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Number((sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(2));
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

if (import.meta.main) {
  const [seconds = 10, inFlight = 64] = process.argv.slice(2).map(Number);
  const dir = mkdtempSync(join(tmpdir(), "ferrite-bench-"));
  const etcd = await LocalEtcd.start({ binary: process.env["FERRITE_ETCD"] ?? "etcd", dir, log: silentLogger });
  try {
    const floor = await measureEtcdFloor(etcd.endpoint, { seconds, inFlight, valueBytes: 1024, watchers: 200 });
    process.stdout.write(`${JSON.stringify(floor, undefined, 2)}\n`);
  } finally {
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
