import {
  readWatch,
  type WatchCreateRequest,
  type WatchResponse,
  writeWatchCreate,
  writeWatchProgress,
} from "./messages/watch.ts";
import { frame } from "./rpc/frames.ts";
import type { StreamCall } from "./rpc/stream.ts";

/** One watch on a gRPC stream of its own. */
export class WatchStream {
  readonly #call: StreamCall;
  readonly #onRefused: (reason: string) => void;

  /** `onRefused`: etcd has canceled the watch, with these words. */
  constructor(call: StreamCall, onRefused: (reason: string) => void) {
    this.#call = call;
    this.#onRefused = onRefused;
  }

  create(request: WatchCreateRequest): void {
    this.#call.write(frame((writer) => writeWatchCreate(writer, request)));
  }

  requestProgress(): void {
    this.#call.write(frame(writeWatchProgress));
  }

  /** All that has come at a time. Throws when the stream breaks; ends when etcd closes it. */
  async *responses(): AsyncGenerator<readonly WatchResponse[], void, void> {
    for await (const messages of this.#call.messages()) {
      const responses = messages.map(readWatch);
      for (const { canceled, cancelReason } of responses) if (canceled) this.#onRefused(cancelReason);
      yield responses;
    }
  }

  close(): void {
    this.#call.close();
  }
}
