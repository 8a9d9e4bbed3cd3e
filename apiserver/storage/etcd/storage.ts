import { type Clock, systemClock } from "../../../machinery/clock.ts";
import { TerminalError } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { type Random, systemRandom } from "../../../machinery/random.ts";
import { ExpiredError, FutureRevisionError, KeyExistsError, RevisionMismatchError } from "../errors.ts";
import type { Page, PageRequest, Storage, Stored, StorageWatch, WriteOptions } from "../types.ts";
import { encodeObject, StoredValue } from "../value.ts";
import { Caller } from "./caller.ts";
import type { EtcdClient, EtcdEndpoints } from "./client.ts";
import { readCompactRevision } from "./compact-revision.ts";
import { Endpoints } from "./endpoints.ts";
import { EtcdRefusal } from "./failures.ts";
import { LeaseBuckets } from "./lease-buckets.ts";
import type { TxnRequest, TxnResponse } from "./messages/kv.ts";
import { isAtLeast, OLDEST_ETCD } from "./version.ts";
import { EtcdWatch } from "./watch.ts";
import { prefixEnd, storedOf } from "./wire.ts";

export interface EtcdStorageOptions extends EtcdEndpoints {
  /** How long to keep trying when etcd is away, as far as that is safe; default 5,000. */
  readonly retryBudgetMs?: number;
  /** How much longer than its time to live a key may stay; default 60. */
  readonly leaseBucketSeconds?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Storage on etcd 3.5 or later. Each write is one transaction; a refused one returns what is there in the same answer. */
export class EtcdStorage implements Storage {
  readonly #endpoints: Endpoints;
  readonly #caller: Caller;
  readonly #leases: LeaseBuckets;
  readonly #closed = new AbortController();
  #versionChecked: Promise<void> | undefined;

  constructor(options: EtcdStorageOptions) {
    const { clock = systemClock, random = systemRandom, retryBudgetMs = 5000, leaseBucketSeconds = 60 } = options;
    this.#endpoints = new Endpoints(options, clock);
    this.#caller = new Caller(this.#endpoints, clock, random, retryBudgetMs, this.#closed.signal);
    this.#leases = new LeaseBuckets(this.#caller, clock, leaseBucketSeconds);
  }

  async get(key: string): Promise<{ readonly stored: Stored | undefined; readonly revision: number }> {
    const { kvs, revision } = await this.#read((client) => client.range({ key }));
    const [kv] = kvs;
    return { stored: kv === undefined ? undefined : storedOf(kv), revision };
  }

  async list(prefix: string, page: PageRequest): Promise<Page> {
    const { limit, after = "", revision } = page;
    if (limit < 1) throw new RangeError(`limit: ${limit}: a page has at least 1 item`);
    const request = {
      key: after < prefix ? prefix : `${after}\0`,
      rangeEnd: prefixEnd(prefix),
      limit,
      ...(revision === undefined ? {} : { revision }),
    };
    const answer = await this.#read((client) => client.range(request), revision);
    const remaining = answer.count - answer.kvs.length;
    return {
      items: answer.kvs.map(storedOf),
      revision: revision ?? answer.revision,
      more: remaining > 0,
      remaining,
    };
  }

  async create(key: string, object: KubeObject, options: WriteOptions = {}): Promise<Stored> {
    const result = await this.#put(key, 0, object, options);
    if (result.written === undefined) throw new KeyExistsError(key);
    return result.written;
  }

  async replace(key: string, expectRevision: number, object: KubeObject, options: WriteOptions = {}): Promise<Stored> {
    // etcd gives an absent key the mod revision 0.
    if (expectRevision < 1) throw new RevisionMismatchError(key, expectRevision, (await this.get(key)).stored);
    const { written, current } = await this.#put(key, expectRevision, object, options);
    if (written === undefined) throw new RevisionMismatchError(key, expectRevision, current);
    return written;
  }

  async delete(key: string, expectRevision: number): Promise<Stored> {
    if (expectRevision < 1) throw new RevisionMismatchError(key, expectRevision, (await this.get(key)).stored);
    const { succeeded, revision, kv } = await this.#transact({
      key,
      expect: { modRevision: expectRevision },
      change: "delete",
    });
    if (!succeeded || kv === undefined) {
      throw new RevisionMismatchError(key, expectRevision, kv === undefined ? undefined : storedOf(kv));
    }
    return new StoredValue(key, revision, kv.value);
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): StorageWatch {
    const deps = { caller: this.#caller, assertVersion: () => this.#assertVersion() };
    return new EtcdWatch(deps, prefix, afterRevision, AbortSignal.any([signal, this.#closed.signal]));
  }

  async currentRevision(): Promise<number> {
    return (await this.#read((client) => client.range({ key: "\0", keysOnly: true }))).revision;
  }

  async compact(revision: number): Promise<void> {
    try {
      // Repeating it changes nothing.
      await this.#caller.call((client) => client.compact({ revision }), { writes: false });
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      if (error.failure === "future") throw new FutureRevisionError(revision, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#endpoints.close();
  }

  async #read<T>(attempt: (client: EtcdClient) => Promise<T>, revision = 0): Promise<T> {
    try {
      return await this.#caller.call(attempt, { writes: false });
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      if (error.failure === "future") throw new FutureRevisionError(revision, { cause: error });
      const compactRevision = await this.#caller.call(readCompactRevision, { writes: false });
      throw new ExpiredError(revision, compactRevision, { cause: error });
    }
  }

  async #put(key: string, expectRevision: number, object: KubeObject, options: WriteOptions): Promise<PutResult> {
    const value = encodeObject(object);
    let response: TxnResponse;
    try {
      response = await this.#putValue(key, expectRevision, value, options);
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      // Somebody revoked the lease; nothing was written. A new one is good for one more try.
      this.#leases.forget();
      response = await this.#putValue(key, expectRevision, value, options);
    }
    const { succeeded, revision, kv } = response;
    if (succeeded) return { written: new StoredValue(key, revision, value), current: undefined };
    return { written: undefined, current: kv === undefined ? undefined : storedOf(kv) };
  }

  async #putValue(key: string, expectRevision: number, value: string, { ttlSeconds }: WriteOptions) {
    const lease = ttlSeconds === undefined ? {} : { lease: await this.#leases.lease(ttlSeconds) };
    return this.#transact({ key, expect: { modRevision: expectRevision }, change: { put: { key, value, ...lease } } });
  }

  #transact(request: TxnRequest): Promise<TxnResponse> {
    return this.#caller.call((client) => client.txn(request), { writes: true });
  }

  #assertVersion(): Promise<void> {
    this.#versionChecked ??= this.#checkVersion().catch((error: unknown) => {
      this.#versionChecked = undefined;
      throw error;
    });
    return this.#versionChecked;
  }

  async #checkVersion(): Promise<void> {
    const { version } = await this.#caller.call((client) => client.status(), { writes: false });
    if (isAtLeast(version, OLDEST_ETCD)) return;
    throw new TerminalError(
      "EtcdTooOld",
      `etcd is version ${version}; ${OLDEST_ETCD} or later is needed: older ones lose watch events`,
    );
  }
}

interface PutResult {
  readonly written: Stored | undefined;
  /** What is there when nothing was written. */
  readonly current: Stored | undefined;
}
