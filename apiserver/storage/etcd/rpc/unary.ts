import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import { FrameReader } from "./frames.ts";
import { errorOf, RpcError } from "./status.ts";

/** One request with one answer on a stream of its own. Settles once, whatever the stream still does. */
export class UnaryCall {
  readonly answer: Promise<Buffer>;
  readonly #stream: ClientHttp2Stream;
  readonly #frames = new FrameReader();
  #resolve: (message: Buffer) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #message: Buffer | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  #error: Error | undefined;
  #settled = false;

  constructor(stream: ClientHttp2Stream, request: Buffer) {
    this.#stream = stream;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = (message) => {
        this.#settled = true;
        resolve(message);
      };
      this.#reject = (error) => {
        this.#settled = true;
        reject(error);
      };
    });
    stream.on("response", (headers) => this.#headers(headers));
    stream.on("data", (chunk: Buffer) => this.#data(chunk));
    stream.on("trailers", (trailers: IncomingHttpHeaders) => this.#ended(trailers));
    stream.on("error", (error) => (this.#error = error));
    stream.on("close", () => this.#closed());
    stream.end(request);
  }

  /** Gives the call up: its answer is an error, unless it is there. */
  cancel(error: Error): void {
    this.#reject(error);
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#stream.destroy();
  }

  #headers(headers: IncomingHttpHeaders): void {
    // A call that fails at once has one block of headers only.
    if (headers["grpc-status"] !== undefined) this.#ended(headers);
    else if (headers[":status"] !== (200 as unknown)) {
      const text = `the answer is HTTP ${String(headers[":status"])}, not gRPC`;
      this.cancel(new RpcError("UNAVAILABLE", text, { sent: true }));
    }
  }

  #data(chunk: Buffer): void {
    const [message] = this.#frames.push(chunk);
    if (message === undefined) return;
    this.#message = message;
    if (this.#trailers !== undefined) this.#ended(this.#trailers);
  }

  #ended(trailers: IncomingHttpHeaders): void {
    this.#trailers = trailers;
    const error = errorOf(trailers);
    if (error !== undefined) this.#reject(error);
    // Otherwise what is there of the message is still on its way from the stream's buffer, or `#closed` misses it.
    else if (this.#message !== undefined) this.#resolve(this.#message);
  }

  #closed(): void {
    // Every stream closes; an error for each would cost as much as the call.
    if (!this.#settled) this.#reject(droppedCall(this.#stream, this.#error));
  }
}

/** The error of a call whose stream ended without a status. */
export function droppedCall(stream: ClientHttp2Stream, cause: Error | undefined): RpcError {
  const why = cause?.message ?? `the stream was closed with code ${stream.rstCode ?? 0}`;
  // RFC 9113, 8.7: a refused stream has not been processed.
  const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
  return new RpcError("UNAVAILABLE", `connection dropped: ${why}`, { sent: !refused, cause });
}
