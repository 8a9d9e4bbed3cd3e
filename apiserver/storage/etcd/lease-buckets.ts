import type { Clock } from "../../../machinery/clock.ts";
import type { Caller } from "./caller.ts";

/** etcd deletes all keys of a lease in one step: a larger lease would stall it. */
const MAX_KEYS = 1000;

interface Bucket {
  readonly lease: Promise<string>;
  keys: number;
}

/**
 * One lease for all keys that expire in the same span of time, not one for each: Events come by the thousand. A key
 * lives up to one bucket longer than asked, never shorter. After a crash the leases run out by themselves.
 */
export class LeaseBuckets {
  readonly #caller: Caller;
  readonly #clock: Clock;
  readonly #bucketSeconds: number;
  /** By the end of their time, in seconds on the monotonic clock. */
  readonly #buckets = new Map<number, Bucket>();

  constructor(caller: Caller, clock: Clock, bucketSeconds: number) {
    this.#caller = caller;
    this.#clock = clock;
    this.#bucketSeconds = bucketSeconds;
  }

  /** The id of a lease that runs out `ttlSeconds` from now or later. */
  async lease(ttlSeconds: number): Promise<string> {
    const nowSeconds = this.#clock.monotonicMs() / 1000;
    for (const end of this.#buckets.keys()) if (end <= nowSeconds) this.#buckets.delete(end);
    const end = Math.ceil((nowSeconds + ttlSeconds) / this.#bucketSeconds) * this.#bucketSeconds;
    let bucket = this.#buckets.get(end);
    if (bucket === undefined || bucket.keys >= MAX_KEYS) {
      bucket = { lease: this.#grant(Math.ceil(end - nowSeconds)), keys: 0 };
      this.#buckets.set(end, bucket);
    }
    bucket.keys++;
    try {
      return await bucket.lease;
    } catch (error) {
      if (this.#buckets.get(end) === bucket) this.#buckets.delete(end);
      throw error;
    }
  }

  /** etcd does not know these leases any more: somebody revoked them. */
  forget(): void {
    this.#buckets.clear();
  }

  #grant(ttlSeconds: number): Promise<string> {
    // A lease whose answer was lost holds no key and runs out.
    return this.#caller.call((client) => client.grantLease(ttlSeconds), { writes: false });
  }
}
