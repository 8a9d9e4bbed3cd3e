import { Connection, type ConnectionOptions } from "./connection.ts";
import { StreamCall } from "./stream.ts";
import { RpcError } from "./status.ts";
import { UnaryCall } from "./unary.ts";

export type Metadata = Readonly<Record<string, string>>;

const HEADERS = { ":method": "POST", te: "trailers", "content-type": "application/grpc" };

/**
 * gRPC over one HTTP/2 connection, opened by the first call that needs it and again by the first one after it was lost:
 * pausing between tries is the caller's part.
 */
export class Channel {
  readonly #options: ConnectionOptions;
  #connection: Connection | undefined;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** `path` is `/package.Service/Method`, `request` a message from `frame`. Throws RpcError. */
  async unary(path: string, request: Buffer, timeoutMs: number, metadata?: Metadata): Promise<Buffer> {
    const connection = this.#open();
    if (!connection.connected) await this.#within(timeoutMs, connection.ready);
    const call = new UnaryCall(connection.request({ ...HEADERS, ":path": path, ...metadata }), request);
    const late = `no answer within ${timeoutMs} ms`;
    const cancel = this.#options.clock.schedule(timeoutMs, () => {
      call.cancel(new RpcError("DEADLINE_EXCEEDED", late, { sent: true }));
    });
    try {
      return await call.answer;
    } finally {
      cancel();
    }
  }

  /** Throws RpcError. */
  async stream(path: string, metadata?: Metadata): Promise<StreamCall> {
    const connection = this.#open();
    await connection.ready;
    return new StreamCall(connection.request({ ...HEADERS, ":path": path, ...metadata }));
  }

  /** Calls that are open fail. */
  close(): void {
    this.#closed = true;
    this.#connection?.destroy();
  }

  #open(): Connection {
    if (this.#closed) throw new RpcError("UNAVAILABLE", "the channel is closed", { sent: false });
    if (this.#connection?.usable !== true) this.#connection = new Connection(this.#options);
    return this.#connection;
  }

  async #within(timeoutMs: number, ready: Promise<void>): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      const error = new RpcError("DEADLINE_EXCEEDED", `no connection within ${timeoutMs} ms`, { sent: false });
      cancel = this.#options.clock.schedule(timeoutMs, () => reject(error));
    });
    try {
      await Promise.race([ready, late]);
    } finally {
      cancel();
    }
  }
}
