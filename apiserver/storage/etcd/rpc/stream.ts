import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { FrameReader } from "./frames.ts";
import { errorOf, RpcError } from "./status.ts";
import { droppedCall } from "./unary.ts";

/** A call in which either side sends as many messages as it likes. */
export class StreamCall {
  readonly #stream: ClientHttp2Stream;
  #status: IncomingHttpHeaders | undefined;
  #error: Error | undefined;
  #closedByUs = false;

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined) this.#status = headers;
    });
    stream.on("trailers", (trailers: IncomingHttpHeaders) => (this.#status = trailers));
    // An error between two reads must not become an uncaught one; the next read throws it.
    stream.on("error", (error) => (this.#error ??= error));
  }

  /** Does nothing once the call is over. */
  write(message: Buffer): void {
    if (this.#stream.writable) this.#stream.write(message);
  }

  /** Nothing more will be written. */
  end(): void {
    this.#stream.end();
  }

  /** Gives the call up; `messages` ends. */
  close(): void {
    this.#closedByUs = true;
    this.#stream.close(constants.NGHTTP2_CANCEL);
    // At once, whatever the connection still does.
    this.#stream.destroy();
  }

  /** All messages that one read has brought at a time. Throws RpcError when the call fails; ends with status OK. */
  async *messages(): AsyncGenerator<readonly Buffer[], void, void> {
    const frames = new FrameReader();
    try {
      for await (const chunk of this.#stream) {
        const messages = frames.push(chunk as Buffer);
        if (messages.length > 0) yield messages;
      }
    } catch (error) {
      // The iteration's own error, too, is only the stream's.
      this.#error ??= error as Error;
    }
    if (this.#closedByUs) return;
    const failure = this.#status === undefined ? droppedCall(this.#stream, this.#error) : errorOf(this.#status);
    if (failure !== undefined) throw failure;
    if (frames.cut) throw new RpcError("DATA_LOSS", "the last message is incomplete", { sent: true });
  }
}
