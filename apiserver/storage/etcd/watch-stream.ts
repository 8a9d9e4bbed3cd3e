import type { IWatchCreateRequest, IWatchRequest, IWatchResponse, WatchClient } from "etcd3";

/** One watch on a gRPC stream of its own. */
export interface WatchStream {
  create(request: IWatchCreateRequest): void;
  requestProgress(): void;
  /** Throws when the stream breaks; ends when etcd closes it. What was buffered then is lost: start again. */
  readonly responses: AsyncIterable<IWatchResponse>;
  close(): void;
}

interface DuplexCall extends AsyncIterable<IWatchResponse> {
  readonly writable: boolean;
  write(request: IWatchRequest): void;
  cancel(): void;
  on(event: "error", listener: () => void): void;
}

/**
 * The bare stream, not etcd3's Watcher: that one resumes after the revision of the last response's header, which is
 * the store's and not the watch's, and so loses what it had not yet received when it is cut in mid-replay.
 */
export async function openWatchStream(client: WatchClient): Promise<WatchStream> {
  const call = (await client.watch()) as unknown as DuplexCall;
  // An error between two reads must not become an uncaught one; the next read throws it.
  call.on("error", () => {});
  return {
    create: (request) => call.write({ create_request: request }),
    requestProgress() {
      if (call.writable) call.write({ progress_request: {} });
    },
    responses: call,
    close: () => call.cancel(),
  };
}
