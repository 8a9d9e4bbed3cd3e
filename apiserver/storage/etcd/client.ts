import type { Clock } from "../../../machinery/clock.ts";
import type { Writer } from "./messages/fields.ts";
import {
  type CompactionRequest,
  type PutRequest,
  type RangeRequest,
  type RangeResponse,
  readRange,
  readTxn,
  type TxnRequest,
  type TxnResponse,
  writeCompaction,
  writePut,
  writeRange,
  writeTxn,
} from "./messages/kv.ts";
import {
  type Alarm,
  readAlarms,
  readAuthenticate,
  readLeaseGrant,
  readSnapshot,
  readStatus,
  type StatusResponse,
  writeAlarm,
  writeAuthenticate,
  writeLeaseGrant,
} from "./messages/maintenance.ts";
import { Channel, type Metadata } from "./rpc/channel.ts";
import { frame } from "./rpc/frames.ts";
import { RpcError } from "./rpc/status.ts";
import type { StreamCall } from "./rpc/stream.ts";
import { WatchStream } from "./watch-stream.ts";

export interface EtcdEndpoints {
  /** `https://10.0.0.1:2379`, `http://127.0.0.1:2379` or `unix:/run/ferrite/etcd/client.sock`. */
  readonly endpoints: readonly string[];
  /** PEM. */
  readonly tls?: { readonly ca: Buffer; readonly certificate?: Buffer; readonly key?: Buffer };
  readonly auth?: { readonly username: string; readonly password: string };
  /** Of one request; default 5,000. */
  readonly requestTimeoutMs?: number;
}

const nothing = (): void => {};
/** A member that has lost its leader ends such streams with an error; otherwise they would be silent for ever. */
const REQUIRE_LEADER: Metadata = { hasleader: "true" };

/**
 * One member of etcd, by its gRPC API. Opens no connection before the first call. Each method makes its call once, and
 * throws RpcError.
 */
export class EtcdClient {
  readonly #channel: Channel;
  readonly #auth: EtcdEndpoints["auth"];
  readonly #timeoutMs: number;
  #token: Promise<string> | undefined;

  constructor(endpoint: string, options: Omit<EtcdEndpoints, "endpoints">, clock: Clock) {
    const { tls, auth, requestTimeoutMs = 5000 } = options;
    this.#channel = new Channel({ endpoint, clock, ...(tls === undefined ? {} : { tls }) });
    this.#auth = auth;
    this.#timeoutMs = requestTimeoutMs;
  }

  async range(request: RangeRequest): Promise<RangeResponse> {
    return readRange(await this.#call("/etcdserverpb.KV/Range", (writer) => writeRange(writer, request)));
  }

  async put(request: PutRequest): Promise<void> {
    await this.#call("/etcdserverpb.KV/Put", (writer) => writePut(writer, request));
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    return readTxn(await this.#call("/etcdserverpb.KV/Txn", (writer) => writeTxn(writer, request)));
  }

  async compact(request: CompactionRequest): Promise<void> {
    await this.#call("/etcdserverpb.KV/Compact", (writer) => writeCompaction(writer, request));
  }

  /** Returns the id of the lease. */
  async grantLease(ttlSeconds: number): Promise<string> {
    return readLeaseGrant(
      await this.#call("/etcdserverpb.Lease/LeaseGrant", (writer) => writeLeaseGrant(writer, ttlSeconds)),
    );
  }

  async status(): Promise<StatusResponse> {
    return readStatus(await this.#call("/etcdserverpb.Maintenance/Status", nothing));
  }

  async defragment(): Promise<void> {
    await this.#call("/etcdserverpb.Maintenance/Defragment", nothing);
  }

  async alarms(): Promise<readonly Alarm[]> {
    return readAlarms(await this.#call("/etcdserverpb.Maintenance/Alarm", nothing));
  }

  async deactivate(alarm: Alarm): Promise<void> {
    await this.#call("/etcdserverpb.Maintenance/Alarm", (writer) => writeAlarm(writer, alarm));
  }

  /** The whole store, piece by piece. */
  async *snapshot(): AsyncGenerator<Uint8Array, void, void> {
    const call = await this.#stream("/etcdserverpb.Maintenance/Snapshot");
    try {
      call.write(frame(nothing));
      call.end();
      for await (const messages of call.messages()) for (const message of messages) yield readSnapshot(message);
    } finally {
      call.close();
    }
  }

  /** A stream for one watch. */
  async watch(): Promise<WatchStream> {
    const onRefused = (reason: string): void => {
      if (STALE_TOKEN.test(reason)) this.#token = undefined;
    };
    return new WatchStream(await this.#stream("/etcdserverpb.Watch/Watch"), onRefused);
  }

  /** Calls that are open fail. */
  close(): void {
    this.#channel.close();
  }

  async #call(path: string, write: (writer: Writer) => void): Promise<Buffer> {
    const request = frame(write);
    if (this.#auth === undefined) return this.#channel.unary(path, request, this.#timeoutMs);
    try {
      return await this.#channel.unary(path, request, this.#timeoutMs, await this.#metadata());
    } catch (error) {
      if (!isStaleToken(error)) throw error;
      // Refused before anything was done. One more try, with a new token.
      this.#token = undefined;
      return this.#channel.unary(path, request, this.#timeoutMs, await this.#metadata());
    }
  }

  async #stream(path: string): Promise<StreamCall> {
    return this.#channel.stream(path, { ...REQUIRE_LEADER, ...(await this.#metadata()) });
  }

  async #metadata(): Promise<Metadata> {
    if (this.#auth === undefined) return {};
    const { username, password } = this.#auth;
    const request = frame((writer) => writeAuthenticate(writer, username, password));
    this.#token ??= this.#channel
      .unary("/etcdserverpb.Auth/Authenticate", request, this.#timeoutMs)
      .then(readAuthenticate)
      .catch((error: unknown) => {
        this.#token = undefined;
        throw error;
      });
    return { token: await this.#token };
  }
}

/** The token has run out, etcd was started again, or rights were changed since. */
const STALE_TOKEN = /invalid auth token|revision of auth store is old/;
const isStaleToken = (error: unknown): boolean => error instanceof RpcError && STALE_TOKEN.test(error.message);
