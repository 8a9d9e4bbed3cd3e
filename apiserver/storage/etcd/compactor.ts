import type { Caller } from "./caller.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdRefusal } from "./failures.ts";
import type { TxnResponse } from "./messages/kv.ts";

/** kube-apiserver's own key: servers of both kinds on one etcd take turns. */
const KEY = "compact_rev_key";

/**
 * Drops history by the protocol of kube-apiserver's compactor: whoever changes the key's version first does this
 * interval's compaction, up to where the store was one interval ago; the others only take note. So history is kept
 * for one to two intervals, whatever the number of servers. After a start nothing is dropped for one interval.
 */
export class Compactor {
  readonly #caller: Caller;
  #version = 0;
  /** Where the store was at the last turn; 0: not known. */
  #revision = 0;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** The revision that may go next: one interval old; 0: none. */
  get oldRevision(): number {
    return this.#revision;
  }

  /** To be called once an interval. Returns the revision that it compacted, if it was its turn. */
  async turn(): Promise<number | undefined> {
    const compacted = this.#revision;
    const { succeeded, revision, kv } = await this.#caller.call((client) => this.#claim(client, compacted), {
      writes: true,
    });
    this.#revision = revision;
    if (!succeeded) {
      this.#version = kv?.version ?? 0;
      return undefined;
    }
    this.#version += 1;
    if (compacted === 0) return undefined;
    await this.compact(compacted);
    return compacted;
  }

  /** Resolves when the space of the history is free. Does nothing when it is done already. */
  async compact(revision: number): Promise<void> {
    try {
      await this.#caller.call((client) => client.compact({ revision, physical: true }), { writes: false });
    } catch (error) {
      if (!(error instanceof EtcdRefusal && error.failure === "compacted")) throw error;
    }
  }

  #claim(client: EtcdClient, revision: number): Promise<TxnResponse> {
    const put = { key: KEY, value: String(revision) };
    return client.txn({ key: KEY, expect: { version: this.#version }, change: { put } });
  }
}
