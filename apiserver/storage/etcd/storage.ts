import type { Etcd3, ICompare, IRequestOp, ITxnResponse } from "etcd3";
import { type Clock, systemClock } from "../../../machinery/clock.ts";
import { TerminalError } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { type Random, systemRandom } from "../../../machinery/random.ts";
import { ExpiredError, FutureRevisionError, KeyExistsError, RevisionMismatchError } from "../errors.ts";
import type { Page, PageRequest, Storage, Stored, StorageWatch, WriteOptions } from "../types.ts";
import { encodeObject, StoredValue } from "../value.ts";
import { Caller } from "./caller.ts";
import type { EtcdEndpoints } from "./client.ts";
import { readCompactRevision } from "./compact-revision.ts";
import { Endpoints } from "./endpoints.ts";
import { EtcdRefusal } from "./failures.ts";
import { LeaseBuckets } from "./lease-buckets.ts";
import { isAtLeast, OLDEST_ETCD } from "./version.ts";
import { EtcdWatch } from "./watch.ts";
import { decodeKeyValue, decodeRevision, prefixEnd } from "./wire.ts";

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
    const { kvs, header } = await this.#read(({ kv }) => kv.range({ key: Buffer.from(key) }));
    const [kv] = kvs;
    return { stored: kv === undefined ? undefined : decodeKeyValue(kv), revision: decodeRevision(header.revision) };
  }

  async list(prefix: string, page: PageRequest): Promise<Page> {
    const { limit, after = "", revision } = page;
    if (limit < 1) throw new RangeError(`limit: ${limit}: a page has at least 1 item`);
    const request = {
      key: Buffer.from(after < prefix ? prefix : `${after}\0`),
      range_end: prefixEnd(prefix),
      limit,
      ...(revision === undefined ? {} : { revision }),
    };
    const { kvs, header, count } = await this.#read(({ kv }) => kv.range(request), revision);
    const remaining = Number(count) - kvs.length;
    return {
      items: kvs.map(decodeKeyValue),
      revision: revision ?? decodeRevision(header.revision),
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
    const remove = { request_delete_range: { key: Buffer.from(key), prev_kv: true } };
    const response = await this.#transact(key, expectRevision, remove);
    const [last] = response.responses[0]?.response_delete_range?.prev_kvs ?? [];
    if (!response.succeeded || last === undefined) {
      throw new RevisionMismatchError(key, expectRevision, currentOf(response));
    }
    return new StoredValue(key, decodeRevision(response.header.revision), last.value.toString());
  }

  watch(prefix: string, afterRevision: number, signal: AbortSignal): StorageWatch {
    const deps = { caller: this.#caller, assertVersion: () => this.#assertVersion() };
    return new EtcdWatch(deps, prefix, afterRevision, AbortSignal.any([signal, this.#closed.signal]));
  }

  async currentRevision(): Promise<number> {
    const { header } = await this.#read(({ kv }) => kv.range({ key: Buffer.from("\0"), keys_only: true }));
    return decodeRevision(header.revision);
  }

  async compact(revision: number): Promise<void> {
    try {
      // Repeating it changes nothing.
      await this.#caller.call(({ kv }) => kv.compact({ revision }), { writes: false });
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      if (error.failure === "future") throw new FutureRevisionError(revision, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#endpoints.close();
  }

  async #read<T>(attempt: (client: Etcd3) => Promise<T>, revision = 0): Promise<T> {
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
    let response: ITxnResponse;
    try {
      response = await this.#putValue(key, expectRevision, value, options);
    } catch (error) {
      if (!(error instanceof EtcdRefusal)) throw error;
      // Somebody revoked the lease; nothing was written. A new one is good for one more try.
      this.#leases.forget();
      response = await this.#putValue(key, expectRevision, value, options);
    }
    if (!response.succeeded) return { written: undefined, current: currentOf(response) };
    const written = new StoredValue(key, decodeRevision(response.header.revision), value);
    return { written, current: undefined };
  }

  async #putValue(key: string, expectRevision: number, value: string, { ttlSeconds }: WriteOptions) {
    const lease = ttlSeconds === undefined ? {} : { lease: await this.#leases.lease(ttlSeconds) };
    const put = { key: Buffer.from(key), value: Buffer.from(value), ...lease };
    return this.#transact(key, expectRevision, { request_put: put });
  }

  /** `expectRevision` 0: the key must be absent. */
  #transact(key: string, expectRevision: number, change: IRequestOp): Promise<ITxnResponse> {
    const compare: ICompare = {
      target: "Mod",
      result: "Equal",
      key: Buffer.from(key),
      mod_revision: String(expectRevision),
    };
    const request = {
      compare: [compare],
      success: [change],
      failure: [{ request_range: { key: Buffer.from(key) } }],
    };
    return this.#caller.call(({ kv }) => kv.txn(request), { writes: true });
  }

  #assertVersion(): Promise<void> {
    this.#versionChecked ??= this.#checkVersion().catch((error: unknown) => {
      this.#versionChecked = undefined;
      throw error;
    });
    return this.#versionChecked;
  }

  async #checkVersion(): Promise<void> {
    const { version } = await this.#caller.call(({ maintenance }) => maintenance.status(), { writes: false });
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

/** What the failure branch of a transaction has read. */
function currentOf({ responses }: ITxnResponse): Stored | undefined {
  const [kv] = responses[0]?.response_range?.kvs ?? [];
  return kv === undefined ? undefined : decodeKeyValue(kv);
}
